#include "ops/linear.h"

#include <utility>

#include "ops/int8_layers.h"
#include "ops/linear_columns.h"
#include "ops/linear_panels.h"
#include "ops/lookup.h"

namespace sparseinf {
namespace {

template <class... Functions>
struct Overloaded : Functions... {
    using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;  // clang 14 deduces no aggregates by itself

}  // namespace

const char* kernel_family(const Pack& pack, int64_t num_columns) {
    const bool is_vector = num_columns == 1;
    return std::visit(
        Overloaded{[&](const DensePack&) { return is_vector ? "gemv_dense_f32" : "spmm_dense_f32"; },
                   [&](const CsrPack&) { return is_vector ? "gemv_csr_f32" : "spmm_csr_f32"; },
                   [](const BitmapPack&) { return "gemv_bitmap_f32"; },
                   [&](const SellPack&) { return is_vector ? "gemv_sell_f32" : "spmm_sell_f32"; },
                   [&](const LookupPack&) { return is_vector ? "gemv_lookup_f32" : "spmm_lookup_f32"; },
                   [&](const BlockPack&) { return is_vector ? "gemv_block4x1_f32" : "spmm_block4x1_f32"; },
                   [&](const DenseInt8Pack&) { return is_vector ? "gemv_dense_int8" : "spmm_dense_int8"; },
                   [](const QuadPack&) { return "spmm_csr_int8"; },
                   [](const BitmapInt8Pack&) { return "gemv_bitmap_int8"; },
                   [&](const LookupInt8Pack&) { return is_vector ? "gemv_lookup_int8" : "spmm_lookup_int8"; },
                   [&](const BlockInt8Pack&) { return is_vector ? "gemv_block4x1_int8" : "spmm_block4x1_int8"; }},
        pack.form);
}

int csr_panel_columns(Isa isa) { return kPreferredWideCsr * kernels_for(isa).vector_width; }

Linear::Linear(int64_t out_features, int64_t in_features, Isa isa, std::vector<Plan> plans, AlignedBuffer<float> bias,
               Epilogue epilogue, std::optional<Int8Scales> scales)
    : out_features_(out_features),
      in_features_(in_features),
      kernels_(&kernels_for(isa)),
      int8_kernels_(&int8_kernels_for(isa)),
      plans_(std::move(plans)),
      bias_(std::move(bias)),
      epilogue_(epilogue),
      scales_(std::move(scales)) {}

Range Linear::range_of_x(const LinearCall& call) const {
    return range_of(call.x, call.num_columns, in_features_, int8_kernels_->range);
}

const Linear::Plan& Linear::plan_for(int64_t num_columns) const {
    size_t i = plans_.size() - 1;
    while (plans_[i].first_num_columns > num_columns) --i;
    return plans_[i];
}

double Linear::num_operations(int64_t num_columns) const {
    if (num_columns == 0) return 0;
    const int64_t num_weights = std::visit(Overloaded{[](const DensePack& p) { return p.num_rows * p.num_columns; },
                                                      [](const DenseInt8Pack& p) { return p.num_rows * p.num_columns; },
                                                      [](const auto& p) { return p.num_nonzeros; }},
                                           plan_for(num_columns).pack->form);
    return static_cast<double>(2 * num_weights + in_features_ + out_features_) * static_cast<double>(num_columns);
}

void Linear::run(const LinearCall& call) const {
    if (call.num_columns == 0 || out_features_ == 0) return;
    std::optional<Int8Layer> int8;
    if (scales_) {
        int8.emplace(*int8_kernels_, scales_->activations, scales_->rows.data(),
                     scales_->requantization ? &*scales_->requantization : nullptr);
    }
    const LinearLayer layer{out_features_, in_features_,           *kernels_, bias_.size() > 0 ? bias_.data() : nullptr,
                            epilogue_,     int8 ? &*int8 : nullptr};
    const Plan& plan = plan_for(call.num_columns);
    const int64_t num_tail = call.num_columns % (kernels_->vector_width / 2), num_main = call.num_columns - num_tail;
    if (num_tail == 0 || num_tail > plan.most_tail_columns || num_main == 0) {
        run_pack(*plan.pack, layer, call);
        return;
    }
    const auto run_part = [&](const Pack& pack, int64_t first, int64_t count) {
        LinearCall part = call;
        std::optional<StridedRows> residual;
        if (call.residual != nullptr) residual = call.residual->from(first);
        part.num_columns = count;
        part.x = call.x.from(first);
        part.residual = residual ? &*residual : nullptr;
        part.y = static_cast<float*>(call.y) + first * out_features_;
        run_pack(pack, layer, part);
    };
    run_part(*plan.pack, 0, num_main);
    run_part(*plans_[0].pack, num_main, num_tail);
}

void Linear::run_pack(const Pack& chosen, const LinearLayer& layer, const LinearCall& call) const {
    const auto run_either = [&](const auto& form) {
        if (call.num_columns == 1) {
            run_on_columns(form, layer, call);
        } else {
            run_on_panels(form, layer, call);
        }
    };
    std::visit(
        Overloaded{[&](const DensePack& pack) { run_either(pack); }, [&](const CsrPack& pack) { run_either(pack); },
                   [&](const BitmapPack& pack) { run_on_columns(pack, layer, call); },
                   [&](const SellPack& pack) { run_either(pack); },
                   [&](const LookupPack& pack) { run_on_groups(pack, layer, call); },
                   [&](const BlockPack& pack) { run_either(pack); },
                   [&](const DenseInt8Pack& pack) { run_either(pack); },
                   [&](const QuadPack& pack) { run_on_panels(pack, layer, call); },
                   [&](const BitmapInt8Pack& pack) { run_on_columns(pack, layer, call); },
                   [&](const LookupInt8Pack& pack) { run_on_groups(pack, layer, call); },
                   [&](const BlockInt8Pack& pack) {
                       if (call.num_columns <= kCopiedColumns) {
                           run_on_few_columns(pack, layer, call);
                       } else {
                           run_on_panels(pack, layer, call);
                       }
                   }},
        chosen.form);
}

}  // namespace sparseinf
