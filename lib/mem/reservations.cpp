// The table of reservation versions; see reservations.hpp.
#include "mem/reservations.hpp"

namespace ashlar::mem {

ReservationGranule reservation_granules[kReservationGranules];

}  // namespace ashlar::mem
