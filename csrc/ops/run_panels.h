// Runs a family of panel kernels over all panels of columns and chunks of rows: what float and int8 layers share.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/linear_call.h"
#include "ops/panel_split.h"
#include "pack/csr_pack.h"

namespace sparseinf {

// How wide a family's panels are, in columns: where its kernels run best, the most they can, and in what steps.
struct PanelWidths {
    int64_t preferred;
    int64_t widest;
    int64_t granule;
};

// Panels: how a pack's rows are cut into chunks, how one chunk is computed on a panel, and how its sums become rows of
// y.
// Workspace: one thread's working memory, which holds a panel of x and the sums of a chunk.
template <class Workspace, class Panels>
void run_panels(const Panels& panels, const LinearLayer& layer, const LinearCall& call) {
    const int num_threads = useful_threads(call.num_threads, panels.num_weights(), call.num_columns);
    const int64_t num_chunks = panels.num_chunks();
    const PanelWidths widths = panels.widths(layer);
    const PanelSplit split(call.num_columns, widths.preferred, widths.widest, widths.granule,
                           (num_threads + num_chunks - 1) / num_chunks);
    int64_t chunk_rows = 0;
    for (int64_t chunk = 0; chunk < num_chunks; ++chunk) {
        chunk_rows = std::max(chunk_rows, accumulator_rows(panels.num_rows(chunk)));
    }

    const auto layout = panels.x_layout();
    const int64_t bytes = Workspace::bytes(split.width(), layout, chunk_rows);
    Scratch scratch(bytes * num_threads);
    for (int slot = 0; slot < num_threads; ++slot) {
        Workspace::make(scratch.data() + slot * bytes, layout, chunk_rows);
    }
    // A thread packs a panel again when it comes to one that another packed: that is cheaper than waiting for it.
    parallel_for(split.count() * num_chunks, num_threads, [&](int slot, int64_t unit) {
        const int64_t panel = unit / num_chunks, chunk = unit % num_chunks;
        const int64_t first = split.first(panel), count = split.size(panel);
        auto& work = Workspace::at(scratch.data() + slot * bytes);
        work.hold(panel, call, layer, first, count);
        panels.compute(chunk, layer, work);
        const int64_t first_row = panels.first_row(chunk);
        const RowPointers rows(call, layer, first, count, first_row);
        auto args = rows.arguments(call, layer, first_row);
        args.num_columns = static_cast<int32_t>(count);
        args.num_features = static_cast<int32_t>(panels.num_rows(chunk));
        panels.unpack(work, layer, first_row, args);
    });
}

}  // namespace sparseinf
