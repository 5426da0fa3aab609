#include "dispatch/isa.h"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace sparseinf {

extern const KernelTable kKernelsScalar;
extern const Int8KernelTable kInt8KernelsScalar;
extern const RowKernelTable kRowKernelsScalar;
#if defined(__x86_64__)
extern const KernelTable kKernelsAvx2;
extern const KernelTable kKernelsAvx512;
extern const RowKernelTable kRowKernelsAvx2;
extern const RowKernelTable kRowKernelsAvx512;
extern const Int8KernelTable kInt8KernelsAvx2;
extern const Int8KernelTable kInt8KernelsAvx512;
extern const Int8KernelTable kInt8KernelsAvx512Vnni;
extern const Int8KernelTable kInt8KernelsAvx512Vbmi;
#endif

namespace {

#if defined(__x86_64__)
// clang 14 does not know this one's name.
bool has_f16c() {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
#endif

// __builtin_cpu_supports also asks whether the operating system saves the registers.
std::vector<Isa> detect() {
    std::vector<Isa> isas{Isa::kScalar};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() &&
          __builtin_cpu_supports("bmi2"))) {
        return isas;
    }
    isas.push_back(Isa::kAvx2);
    if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl"))) {
        return isas;
    }
    isas.push_back(Isa::kAvx512);
    if (!__builtin_cpu_supports("avx512vnni")) return isas;
    isas.push_back(Isa::kAvx512Vnni);
    if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
        __builtin_cpu_supports("avx512bitalg")) {
        isas.push_back(Isa::kAvx512Vbmi);
    }
#endif
    return isas;
}

}  // namespace

std::string_view name_of(Isa isa) {
    switch (isa) {
        case Isa::kAvx512Vbmi:
            return "avx512vbmi";
        case Isa::kAvx512Vnni:
            return "avx512vnni";
        case Isa::kAvx512:
            return "avx512";
        case Isa::kAvx2:
            return "avx2";
        case Isa::kScalar:
            break;
    }
    return "scalar";
}

const std::vector<Isa>& available_isas() {
    static const std::vector<Isa> isas = detect();
    return isas;
}

std::optional<Isa> find_available_isa(std::string_view name) {
    for (const Isa isa : available_isas()) {
        if (name_of(isa) == name) return isa;
    }
    return std::nullopt;
}

Isa float_isa(Isa isa) { return std::min(isa, Isa::kAvx512); }

const Int8KernelTable& int8_kernels_for(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::kAvx512Vbmi:
            return kInt8KernelsAvx512Vbmi;
        case Isa::kAvx512Vnni:
            return kInt8KernelsAvx512Vnni;
        case Isa::kAvx512:
            return kInt8KernelsAvx512;
        case Isa::kAvx2:
            return kInt8KernelsAvx2;
#endif
        default:
            return kInt8KernelsScalar;
    }
}

const RowKernelTable& row_kernels_for(Isa isa) {
    switch (float_isa(isa)) {
#if defined(__x86_64__)
        case Isa::kAvx512:
            return kRowKernelsAvx512;
        case Isa::kAvx2:
            return kRowKernelsAvx2;
#endif
        default:
            return kRowKernelsScalar;
    }
}

const KernelTable& kernels_for(Isa isa) {
    switch (float_isa(isa)) {
#if defined(__x86_64__)
        case Isa::kAvx512:
            return kKernelsAvx512;
        case Isa::kAvx2:
            return kKernelsAvx2;
#endif
        default:
            return kKernelsScalar;
    }
}

}  // namespace sparseinf
