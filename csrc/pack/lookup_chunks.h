// Packs the chunks of lookup packs: cuts rows into pieces, fills lanes with them, and lets a window slide along.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "pack/counting_sort.h"
#include "pack/csr_view.h"
#include "pack/lookup_pack.h"

namespace sparseinf {

// The largest advance of one step; wider gaps take steps without nonzeros.
inline constexpr int32_t kMostWindowAdvances = 255;

// Nonzeros of a lane that are worth its own sum.
inline constexpr uint32_t kLeastLookupPiece = 16;

template <class Steps>
using LookupWeight = std::remove_extent_t<decltype(Steps::weights)>;

// What fills a lane: a row, or every num_pieces-th of the parts that a step takes of it, which keeps the pieces of a
// row beside each other in the window.
struct LookupPiece {
    uint32_t row;
    uint32_t number;
    uint32_t num_pieces;
    uint32_t size;
};

// Where a lane stands in the nonzeros of its piece.
template <class Steps>
class LookupLane {
public:
    LookupLane() = default;
    LookupLane(const CsrView& matrix, int64_t row, const LookupPiece& piece)
        : columns_(matrix.columns + matrix.row_offsets[row]),
          values_(matrix.values + matrix.row_offsets[row]),
          size_(static_cast<uint32_t>(matrix.row_offsets[row + 1] - matrix.row_offsets[row])),
          at_(Steps::kNumNonzeros * piece.number),
          skip_(Steps::kNumNonzeros * (piece.num_pieces - 1)) {}

    // The next column; beyond all columns where there is none.
    int32_t column() const { return at_ < size_ ? columns_[at_] : std::numeric_limits<int32_t>::max(); }
    LookupWeight<Steps> value() const { return static_cast<LookupWeight<Steps>>(values_[at_]); }
    void next() {
        ++at_;
        if (at_ % Steps::kNumNonzeros == 0) at_ += skip_;
    }

private:
    const int32_t* columns_ = nullptr;
    const float* values_ = nullptr;
    uint32_t size_ = 0;
    uint32_t at_ = 0;
    uint32_t skip_ = 0;
};

// Packs one chunk. Kept between chunks by its thread: the working arrays keep their memory.
template <class Steps>
class LookupChunkPacker {
public:
    using Chunk = LookupChunk<Steps>;

    // scatter_steps: what a slice costs whose sums go to rows in any order, in steps.
    LookupChunkPacker(const CsrView& matrix, int32_t window, uint32_t scatter_steps)
        : matrix_(matrix), window_(window), scatter_steps_(scatter_steps) {}

    // Makes `steps`; the chunk does not point to them yet.
    void pack(Chunk& chunk, std::vector<Steps>& steps) {
        list_rows(chunk);
        const uint32_t in_order = num_steps_without_waiting();
        rows_in_order_ = pieces_;
        const uint32_t sorted = choose_pieces(chunk);
        const uint32_t scattering = scatter_steps_ * num_slices(pieces_.size());
        if (in_order <= sorted + scattering) {
            write_slices(rows_in_order_, true, chunk, steps);
            return;
        }
        // Where lanes wait for the window anyway, sorting gains less than it seems: both ways are tried.
        write_slices(pieces_, false, chunk, steps);
        if (in_order > 2 * sorted) return;
        Chunk other{chunk.first_row, chunk.num_rows, {}, {}, {}, {}, nullptr};
        std::vector<Steps> other_steps;
        write_slices(rows_in_order_, true, other, other_steps);
        if (other_steps.size() <= steps.size() + scattering / Steps::kNumSteps) {
            chunk = std::move(other);
            steps = std::move(other_steps);
        }
    }

private:
    static uint32_t num_steps_of(uint32_t num_nonzeros) {
        return (num_nonzeros + Steps::kNumNonzeros - 1) / Steps::kNumNonzeros;
    }

    static uint32_t num_slices(size_t num_pieces) {
        return static_cast<uint32_t>((num_pieces + kLookupLanes - 1) / kLookupLanes);
    }

    uint32_t size_of(const Chunk& chunk, int32_t row) const {
        const int64_t* offsets = matrix_.row_offsets + chunk.first_row + row;
        return static_cast<uint32_t>(offsets[1] - offsets[0]);
    }

    // The steps that pieces_ take if no lane waits for the window.
    uint32_t num_steps_without_waiting() const {
        uint32_t num_steps = 0;
        for (size_t first = 0; first < pieces_.size(); first += kLookupLanes) {
            uint32_t longest = 0;
            for (size_t i = first; i < std::min(pieces_.size(), first + kLookupLanes); ++i) {
                longest = std::max(longest, pieces_[i].size);
            }
            num_steps += num_steps_of(longest);
        }
        return num_steps;
    }

    // pieces_: the chunk's rows in their order.
    void list_rows(const Chunk& chunk) {
        pieces_.clear();
        for (int32_t row = 0; row < chunk.num_rows; ++row) {
            pieces_.push_back({static_cast<uint32_t>(row), 0, 1, size_of(chunk, row)});
        }
    }

    // pieces_: the chunk's rows, longest first, cut so that all slices together take the fewest steps; returns those.
    uint32_t choose_pieces(const Chunk& chunk) {
        uint32_t longest = 0;
        uint64_t num_nonzeros = 0;
        for (const LookupPiece& row : pieces_) {
            longest = std::max(longest, row.size);
            num_nonzeros += row.size;
        }
        uint32_t fewest = cut_rows(chunk, longest);
        uint32_t best = longest, held = longest;
        for (uint32_t parts = 2; parts <= kLookupLanes && longest / parts >= kLeastLookupPiece; ++parts) {
            // Little is to be gained where lanes are nearly full.
            if (uint64_t{fewest} * Steps::kNumNonzeros * kLookupLanes <= num_nonzeros * 5 / 4) break;
            held = (longest + parts - 1) / parts;
            const uint32_t num_steps = cut_rows(chunk, held);
            if (num_steps < fewest) {
                fewest = num_steps;
                best = held;
            }
        }
        return held == best ? fewest : cut_rows(chunk, best);
    }

    // Makes pieces_ of at most `longest` nonzeros, longest first. A slice counts as one step more.
    uint32_t cut_rows(const Chunk& chunk, uint32_t longest) {
        pieces_.clear();
        for (int32_t row = 0; row < chunk.num_rows; ++row) {
            const uint32_t size = size_of(chunk, row), num_parts = num_steps_of(size);
            const uint32_t num_pieces = size <= longest ? 1 : (size + longest - 1) / longest;
            for (uint32_t i = 0; i < num_pieces; ++i) {
                const uint32_t parts = num_parts / num_pieces + (i < num_parts % num_pieces ? 1 : 0);
                const bool has_last = num_parts > 0 && (num_parts - 1) % num_pieces == i;
                const uint32_t missing = has_last ? Steps::kNumNonzeros * num_parts - size : 0;
                const uint32_t piece_size = Steps::kNumNonzeros * parts - missing;
                pieces_.push_back({static_cast<uint32_t>(row), i, num_pieces, piece_size});
            }
        }
        sort_by_falling(pieces_, other_pieces_, positions_, [](const LookupPiece& piece) { return piece.size; });
        return num_steps_without_waiting() + num_slices(pieces_.size());
    }

    void write_slices(const std::vector<LookupPiece>& pieces, bool is_in_order, Chunk& chunk,
                      std::vector<Steps>& steps) {
        const auto next_place = [&chunk] {
            return static_cast<uint16_t>(static_cast<size_t>(chunk.num_rows) + chunk.partial_sums.size());
        };
        for (size_t first = 0; first < pieces.size(); first += kLookupLanes) {
            const auto num_lanes = static_cast<int>(std::min<size_t>(kLookupLanes, pieces.size() - first));
            for (int i = 0; i < num_lanes; ++i) {
                const LookupPiece& piece = pieces[first + static_cast<size_t>(i)];
                lanes_[i] = LookupLane<Steps>(matrix_, chunk.first_row + piece.row, piece);
                if (is_in_order) continue;
                const auto row = static_cast<uint16_t>(piece.row);
                chunk.rows.push_back(piece.number == 0 ? row : next_place());
                if (piece.number > 0) chunk.partial_sums.push_back({row, chunk.rows.back()});
            }
            chunk.num_steps.push_back(write_steps(num_lanes, chunk, steps));
        }
        if (!is_in_order) chunk.rows.resize(chunk.num_steps.size() * kLookupLanes, next_place());
    }

    // Steps take what lies in the window that begins at the first column still to come: no choice of windows takes
    // fewer of them. Returns their number: steps without nonzeros follow until those that lie together in memory are
    // complete.
    uint32_t write_steps(int num_lanes, Chunk& chunk, std::vector<Steps>& steps) {
        uint32_t num_steps = 0;
        const auto add_window = [&](int32_t advances) {
            if (num_steps % Steps::kNumSteps == 0) steps.emplace_back();
            num_steps += Steps::kWindowSteps;
            chunk.advances.push_back(static_cast<uint8_t>(advances));
        };
        int32_t begin = 0;
        for (;;) {
            int32_t first = std::numeric_limits<int32_t>::max();
            for (int i = 0; i < num_lanes; ++i) first = std::min(first, lanes_[i].column());
            if (first == std::numeric_limits<int32_t>::max()) break;
            int32_t advances = first / Steps::kWindowAdvance - begin / Steps::kWindowAdvance;
            begin += advances * Steps::kWindowAdvance;
            for (; advances > kMostWindowAdvances; advances -= kMostWindowAdvances) add_window(kMostWindowAdvances);
            add_window(advances);
            const int end_step = static_cast<int>((num_steps - 1) % Steps::kNumSteps) + 1;
            for (int step = end_step - Steps::kWindowSteps; step < end_step; ++step) {
                take_nonzeros(num_lanes, begin, step, steps.back());
            }
        }
        while (num_steps % Steps::kNumSteps != 0) add_window(0);
        return num_steps;
    }

    void take_nonzeros(int num_lanes, int32_t begin, int step, Steps& steps) {
        const int64_t end = int64_t{begin} + window_;
        for (int i = 0; i < num_lanes; ++i) {
            LookupLane<Steps>& lane = lanes_[i];
            const int at = Steps::kNumNonzeros * (kLookupLanes * step + i);
            for (int j = at; j < at + Steps::kNumNonzeros && lane.column() < end; ++j, lane.next()) {
                steps.columns[j] = static_cast<uint8_t>(lane.column() - begin);
                steps.weights[j] = lane.value();
            }
        }
    }

    const CsrView& matrix_;
    int32_t window_;
    uint32_t scatter_steps_;
    LookupLane<Steps> lanes_[kLookupLanes];
    std::vector<LookupPiece> pieces_;
    std::vector<LookupPiece> rows_in_order_;
    std::vector<LookupPiece> other_pieces_;
    std::vector<uint32_t> positions_;  // of the counting sort
};

}  // namespace sparseinf
