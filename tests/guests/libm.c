/* The C library's mathematics over a grid of arguments (hex output, exact), printf and strtod of floating
 * point, fenv. */
#include <fenv.h>
#include <math.h>

#include "guest.h"

static uint64_t bits(double d) {
  uint64_t u;
  memcpy(&u, &d, 8);
  return isnan(d) ? 0x7ff8000000000000 : u;
}

#define ONE(fn)                                                                              \
  {                                                                                          \
    uint64_t h = fnv_start();                                                                \
    for (int i = -200; i <= 200; i++) h = fnv_add(h, bits(fn(i * 0.37 + i * i * i * 1e-4))); \
    uint64_t g = fnv_start();                                                                \
    for (int i = -200; i <= 200; i++) g = fnv_add(g, bits((double)fn##f((float)i * 0.21f))); \
    printf("%-8s %016" PRIx64 " %016" PRIx64 " %a\n", #fn, h, g, fn(0.75));                  \
  }
#define TWO(f)                                                                          \
  {                                                                                     \
    uint64_t h = fnv_start();                                                           \
    for (int i = -30; i <= 30; i++)                                                     \
      for (int j = -30; j <= 30; j++) h = fnv_add(h, bits(f(i * 0.71, j * 1.3 + 0.1))); \
    printf("%-9s %016" PRIx64 " %a\n", #f, h, f(2.5, 1.25));                            \
  }

int main(void) {
  ONE(sin)
  ONE(cos) ONE(tan) ONE(asin) ONE(acos) ONE(atan) ONE(sinh) ONE(cosh) ONE(tanh) ONE(asinh) ONE(acosh)
      ONE(atanh) ONE(exp) ONE(exp2) ONE(expm1) ONE(log) ONE(log2) ONE(log10) ONE(log1p) ONE(sqrt) ONE(cbrt)
          ONE(erf) ONE(erfc) ONE(tgamma) ONE(floor) ONE(ceil) ONE(trunc) ONE(round) ONE(rint) ONE(nearbyint)
              ONE(fabs) ONE(logb) TWO(pow) TWO(atan2) TWO(fmod) TWO(remainder) TWO(hypot) TWO(fdim) TWO(fmax)
                  TWO(fmin) TWO(copysign) TWO(nextafter) static const int modes[] = {
                      FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  for (int i = 0; i < 4; i++) {
    fesetround(modes[i]);
    feclearexcept(FE_ALL_EXCEPT);
    volatile double one = 1, ten = 10, big = 1e308;
    double tenth = one / ten;
    printf("mode %d: %a %.3f %ld %ld %a", i, tenth, 2.0005, lrint(2.5), lrint(-2.5), strtod("0.1", NULL));
    volatile double inf = big * ten;
    printf(" %g flags %x\n", inf, (unsigned)fetestexcept(FE_ALL_EXCEPT));
  }
  fesetround(FE_TONEAREST);
  fenv_t env;
  feholdexcept(&env);
  feraiseexcept(FE_DIVBYZERO | FE_INVALID);
  printf("raised %x", (unsigned)fetestexcept(FE_ALL_EXCEPT));
  fesetenv(&env);
  printf(" restored %x\n", (unsigned)fetestexcept(FE_DIVBYZERO));
  printf("%g %e %f %a %.0f %.17g %10.3e|%-12g|%+g\n", 1e-5, 12345.6789, 1e15, 0.1, 0.5, 0.1, 1.0, 2.5, 3.0);
  for (const char* s =
           "1e-320 4.9e-324 1.7976931348623159e308 0x1.8p1 inf nan 9007199254740993 "
           "123456789012345678901234567890";
       *s;) {
    char* end;
    double v = strtod(s, &end);
    printf("%a ", v);
    s = *end ? end + 1 : end;
  }
  printf("\n");
  int exponent;
  double whole, fraction = frexp(-10.75, &exponent), part = modf(-10.75, &whole);
  printf("%g %d %g %g %g %d\n", fraction, exponent, part, whole, ldexp(0.75, -1070), ilogb(1e300));
  return 0;
}
