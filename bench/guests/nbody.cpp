// Planets under gravity, leap-frog steps in double precision: multiply, add, divide, square root.
#include <cmath>

#include "bench.hpp"

struct Body {
  double x, y, z, vx, vy, vz, mass;
};

static const double pi = 3.141592653589793, solar = 4 * pi * pi, year = 365.24;

static Body bodies[] = {
    {0, 0, 0, 0, 0, 0, solar},
    {4.84143144246472090, -1.16032004402742839, -0.103622044471123109, 0.00166007664274403694 * year,
     0.00769901118419740425 * year, -0.0000690460016972063023 * year, 0.000954791938424326609 * solar},
    {8.34336671824457987, 4.12479856412430479, -0.403523417114321381, -0.00276742510726411190 * year,
     0.00499852801234917238 * year, 0.0000230417297573763929 * year, 0.000285885980666130812 * solar},
    {12.8943695621391310, -15.1111514016986312, -0.223307578892655734, 0.00296460137564761618 * year,
     0.00237847173959480950 * year, -0.0000296589568540237556 * year, 0.0000436624404335156298 * solar},
    {15.3796971148509165, -25.9193146099879641, 0.179258772950371181, 0.00268067772490389322 * year,
     0.00162824170038242295 * year, -0.0000951592254519715870 * year, 0.0000515138902046611451 * solar}};

static void step(double dt) {
  for (int i = 0; i < 5; i++) {
    Body& a = bodies[i];
    for (int j = i + 1; j < 5; j++) {
      Body& b = bodies[j];
      double dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z;
      double d2 = dx * dx + dy * dy + dz * dz;
      double mag = dt / (d2 * std::sqrt(d2));
      a.vx -= dx * b.mass * mag, a.vy -= dy * b.mass * mag, a.vz -= dz * b.mass * mag;
      b.vx += dx * a.mass * mag, b.vy += dy * a.mass * mag, b.vz += dz * a.mass * mag;
    }
  }
  for (Body& b : bodies) b.x += dt * b.vx, b.y += dt * b.vy, b.z += dt * b.vz;
}

static double energy() {
  double e = 0;
  for (int i = 0; i < 5; i++) {
    const Body& a = bodies[i];
    e += 0.5 * a.mass * (a.vx * a.vx + a.vy * a.vy + a.vz * a.vz);
    for (int j = i + 1; j < 5; j++) {
      const Body& b = bodies[j];
      double dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z;
      e -= a.mass * b.mass / std::sqrt(dx * dx + dy * dy + dz * dz);
    }
  }
  return e;
}

int main(int argc, char** argv) {
  const long steps = size_argument(argc, argv, 2000000);
  double px = 0, py = 0, pz = 0;
  for (const Body& b : bodies) px += b.vx * b.mass, py += b.vy * b.mass, pz += b.vz * b.mass;
  bodies[0].vx = -px / solar, bodies[0].vy = -py / solar, bodies[0].vz = -pz / solar;
  for (long i = 0; i < steps; i++) step(0.001);
  return report("nbody", energy());
}
