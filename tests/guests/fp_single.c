/* Every single-precision operation over the special values, in every rounding mode, with flags. Results are
   looked at as 64 bits, so a result that is not NaN-boxed shows. */
#include "fp.h"
#define SUFFIX ".s"
#define MOVE_IN "fmv.w.x"
#define TABLE floats
#define COUNT float_count
#define STEP 3
#include "fp_body.h"

#define FROM_W(rm, label, mode) FROM_INT("fcvt.s.w", ", " rm, label, mode)
#define FROM_WU(rm, label, mode) FROM_INT("fcvt.s.wu", ", " rm, label, mode)

int main(int argc, char** argv) {
  fp_arguments(argc, argv);
  arithmetic();
  fused();
  others();
  conversions();
  EACH_RM(FROM_W)
  EACH_RM(FROM_WU)
  UNARY("fcvt.d.s", "", "-", 3)
  TO_INT("fmv.x.w", "", "-", 0)
  return 0;
}
