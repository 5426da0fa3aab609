// The test program: packs, kernels, linear layers, programs, threads and the column codec, without Python.
//
//     sparseinf_native_test [PART OF A TEST'S NAME]
//
// It is what the sanitizers and other processors run. Exit code 0 if every check held.
#include <cstdio>

#include "check.h"
#include "dispatch/isa.h"

int main(int argc, char** argv) {
    std::printf("instruction sets:");
    for (const sparseinf::Isa isa : sparseinf::available_isas()) std::printf(" %s", sparseinf::name_of(isa).data());
    std::printf("\n");
    return testing::run_all(argc > 1 ? argv[1] : "") == 0 ? 0 : 1;
}
