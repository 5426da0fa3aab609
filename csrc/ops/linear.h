// A compiled linear layer: y = activation(x W^T + bias + residual), for any number of columns (rows of x).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/aligned_buffer.h"
#include "dispatch/isa.h"
#include "ops/linear_call.h"
#include "pack/pack.h"

namespace sparseinf {

// The kernel that a pack runs for so many columns, without its level: "spmm_csr_f32", ...
const char* kernel_family(const Pack& pack, int64_t num_columns);

// Preferred panel width of the sparse kernels at that level, in columns.
int csr_panel_columns(Isa isa);

class Linear {
public:
    // Serves num_columns from first_num_columns up to the next plan's.
    struct Plan {
        int64_t first_num_columns;
        std::shared_ptr<const Pack> pack;
    };

    // plans: ascending, the first from 1. bias: out_features, or empty.
    Linear(int64_t out_features, int64_t in_features, Isa isa, std::vector<Plan> plans, AlignedBuffer<float> bias,
           Epilogue epilogue);

    int64_t out_features() const { return out_features_; }
    int64_t in_features() const { return in_features_; }

    // Roughly what a call does: two a weight that is multiplied, one an element of x and y.
    double num_operations(int64_t num_columns) const;

    // Throws std::bad_alloc before anything is written. Safe to call from several threads at once.
    void run(const LinearCall& call) const;

private:
    const Pack& pack_for(int64_t num_columns) const;

    int64_t out_features_;
    int64_t in_features_;
    const KernelTable* kernels_;
    std::vector<Plan> plans_;
    AlignedBuffer<float> bias_;
    Epilogue epilogue_;
};

}  // namespace sparseinf
