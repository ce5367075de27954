// A small single-precision ray tracer: spheres over a plane, shadows and reflections.
#include <cmath>

#include "bench.hpp"

struct Vec {
  float x, y, z;
};
static Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
static Vec operator-(Vec a, Vec b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
static Vec operator*(Vec a, float s) { return {a.x * s, a.y * s, a.z * s}; }
static float dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static Vec unit(Vec a) { return a * (1.0f / std::sqrt(dot(a, a))); }

struct Sphere {
  Vec centre;
  float radius, shine;
  Vec colour;
};

static Sphere spheres[24];
static const Vec light = {0.48666f, 0.81111f, -0.32444f};

static int nearest(Vec from, Vec dir, float& distance) {
  int hit = -1;
  for (int i = 0; i < 24; i++) {
    Vec oc = from - spheres[i].centre;
    float b = dot(oc, dir), c = dot(oc, oc) - spheres[i].radius * spheres[i].radius, d = b * b - c;
    if (d <= 0) continue;
    float t = -b - std::sqrt(d);
    if (t > 1e-3f && t < distance) distance = t, hit = i;
  }
  return hit;
}

static Vec trace(Vec from, Vec dir, int depth) {
  float t = 1e9f;
  int hit = nearest(from, dir, t);
  Vec normal, colour;
  float shine;
  if (hit >= 0) {
    normal = unit(from + dir * t - spheres[hit].centre);
    colour = spheres[hit].colour;
    shine = spheres[hit].shine;
  } else if (dir.y < -1e-3f) {
    t = -(from.y + 2) / dir.y;
    Vec p = from + dir * t;
    normal = {0, 1, 0};
    bool odd = (int(std::floor(p.x)) + int(std::floor(p.z))) & 1;
    colour = odd ? Vec{0.9f, 0.9f, 0.9f} : Vec{0.2f, 0.2f, 0.3f};
    shine = 0.2f;
  } else {
    return {0.4f, 0.6f, 0.9f + 0.1f * dir.y};
  }
  Vec p = from + dir * t;
  float shadow = 1e9f, lit = std::fmax(0.0f, dot(normal, light));
  if (nearest(p, light, shadow) >= 0) lit *= 0.3f;
  Vec out = colour * (0.2f + 0.8f * lit);
  if (depth < 3) out = out * (1 - shine) + trace(p, dir - normal * (2 * dot(dir, normal)), depth + 1) * shine;
  return out;
}

int main(int argc, char** argv) {
  const int n = int(size_argument(argc, argv, 1000));
  Rng rng;
  for (auto& s : spheres) {
    auto f = [&] { return float(rng.unit()); };
    s = {{f() * 8 - 4, f() * 3 - 1, f() * 6 + 3}, 0.3f + f() * 0.6f, f() * 0.6f, {f(), f(), f()}};
  }
  double total = 0;
  for (int y = 0; y < n; y++)
    for (int x = 0; x < n; x++) {
      Vec c = trace({0, 0.5f, -3},
                    unit({(float(x) - float(n) / 2) / float(n), (float(n) / 2 - float(y)) / float(n), 1}), 0);
      total += double(c.x + c.y + c.z);
    }
  std::printf("raytrace %.3g\n", total);
  return 0;
}
