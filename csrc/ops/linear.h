// A compiled linear layer: y = activation(x W^T + bias + residual), for any number of columns (rows of x).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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

// What makes a layer one of int8: its packs hold int8 weights.
struct Int8Scales {
    ActivationQuantization activations;
    AlignedBuffer<float> rows;  // of the weights: out_features
    std::optional<Requantization> requantization{};
};

class Linear {
public:
    // Serves num_columns from first_num_columns up to the next plan's. Where the last plan's columns are a few more
    // than whole half vectors, at most `most_tail_columns`, the first plan serves these few.
    struct Plan {
        int64_t first_num_columns;
        std::shared_ptr<const Pack> pack;
        int64_t most_tail_columns = 0;
    };

    // plans: ascending, the first from 1, all of int8 packs where there are scales. bias: out_features, or empty.
    Linear(int64_t out_features, int64_t in_features, Isa isa, std::vector<Plan> plans, AlignedBuffer<float> bias,
           Epilogue epilogue, std::optional<Int8Scales> scales);

    int64_t out_features() const { return out_features_; }
    int64_t in_features() const { return in_features_; }

    // Roughly what a call does: two a weight that is multiplied, one an element of x and y.
    double num_operations(int64_t num_columns) const;

    // Whether x may come in 8 bits, quantized by a static scale; whether y leaves so.
    bool takes_quantized() const { return scales_ && scales_->activations.scales == ActivationScales::kStatic; }
    bool requantizes() const { return scales_ && scales_->requantization; }

    // Whether all x of a call have one scale: its range must be known, finite, and one that there is a scale for.
    bool has_one_scale() const { return scales_ && scales_->activations.has_one_scale(); }
    Range range_of_x(const LinearCall& call) const;
    bool has_scale_for(Range range) const { return scales_->activations.has_scale_for(range); }

    // Throws std::bad_alloc before anything is written. Safe to call from several threads at once.
    void run(const LinearCall& call) const;

private:
    const Plan& plan_for(int64_t num_columns) const;
    void run_pack(const Pack& pack, const LinearLayer& layer, const LinearCall& call) const;

    int64_t out_features_;
    int64_t in_features_;
    const KernelTable* kernels_;
    const Int8KernelTable* int8_kernels_;
    std::vector<Plan> plans_;
    AlignedBuffer<float> bias_;
    Epilogue epilogue_;
    std::optional<Int8Scales> scales_;
};

}  // namespace sparseinf
