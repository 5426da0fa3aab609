#include "ops/machine_peak.h"

#include <algorithm>
#include <chrono>

#include "common/aligned_buffer.h"

namespace sparseinf {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The most units a second of several rounds, each some milliseconds long: other work on the machine only slows down.
template <class Round>
double best_rate(double units_a_round, Round&& round) {
    double best = 0;
    const auto start = Clock::now();
    do {
        const auto round_start = Clock::now();
        round();
        best = std::max(best, units_a_round / seconds_since(round_start));
    } while (seconds_since(start) < 0.15);
    return best;
}

double billions_a_second(PeakKernel peak, int64_t iterations) {
    return best_rate(static_cast<double>(peak(1000)) / 1000 * static_cast<double>(iterations),
                     [&] { peak(iterations); }) /
           1e9;
}

}  // namespace

double measure_peak_gflops(Isa isa) { return billions_a_second(kernels_for(isa).peak, 1 << 20); }

double measure_int8_peak_gops(Isa isa) { return billions_a_second(int8_kernels_for(isa).peak, 1 << 18); }

double measure_read_gbps(Isa isa, int64_t nbytes) {
    const auto read = kernels_for(isa).read;
    const int64_t count = std::max<int64_t>(64, nbytes / static_cast<int64_t>(sizeof(float)) / 64 * 64);
    AlignedBuffer<float> data(count);
    std::fill_n(data.data(), count, 1.0f);
    const int64_t passes = std::max<int64_t>(1, (int64_t{1} << 22) / count);
    volatile float sink = 0;
    return best_rate(static_cast<double>(count * passes) * sizeof(float),
                     [&] {
                         for (int64_t i = 0; i < passes; ++i) sink = sink + read(data.data(), count);
                     }) /
           1e9;
}

}  // namespace sparseinf
