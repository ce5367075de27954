// The main function of every test suite.
// Doctest would put its own signal handlers over the library's anew for each case, and these do not chain.
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
