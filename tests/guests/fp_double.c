/* Every double-precision operation over the special values, in every rounding mode, with flags. */
#include "fp.h"
#define SUFFIX ".d"
#define MOVE_IN "fmv.d.x"
#define TABLE doubles
#define COUNT double_count
#define STEP 3
#include "fp_body.h"

#define TO_SINGLE(rm, label, mode) UNARY("fcvt.s.d", ", " rm, label, mode)

int main(int argc, char** argv) {
  fp_arguments(argc, argv);
  arithmetic();
  fused();
  others();
  conversions();
  FROM_INT("fcvt.d.w", "", "-", 3)
  FROM_INT("fcvt.d.wu", "", "-", 2)
  EACH_RM(TO_SINGLE)
  return 0;
}
