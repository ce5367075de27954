// ASHLAR_API marks what the shared library exports; every other symbol is hidden. Used by the public headers.
#pragma once

#define ASHLAR_API __attribute__((visibility("default")))
