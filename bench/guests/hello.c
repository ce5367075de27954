/* The smallest useful program: what a run costs before it does anything. */
#include <stdio.h>

int main(void) {
  printf("hello, world\n");
  return 0;
}
