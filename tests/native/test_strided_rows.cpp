// Rows of an array of any dimensions and strides are found where indexing it dimension by dimension finds them.
#include <random>
#include <vector>

#include "check.h"
#include "ops/strided_rows.h"

namespace {

using namespace sparseinf;
using namespace testing;

struct Dimension {
    int64_t size;
    int64_t stride_bytes;
};

TEST(strided_rows_are_found_where_indexing_finds_them) {
    std::mt19937 random(51);
    std::vector<char> memory(200000);
    const char* const base = memory.data() + memory.size() / 2;
    for (int round = 0; round < 2000; ++round) {
        std::vector<Dimension> dimensions(random() % 5);
        int64_t num_rows = 1, continued = 4;
        for (Dimension& dimension : dimensions) {
            dimension.size = 1 + static_cast<int64_t>(random() % 4);
            num_rows *= dimension.size;
        }
        // From the innermost outwards: each continues the one inside it, or lies anywhere else.
        for (size_t i = dimensions.size(); i-- > 0;) {
            const bool is_continued = random() % 2 == 0;
            dimensions[i].stride_bytes = is_continued ? continued : static_cast<int64_t>(random() % 2001) - 1000;
            continued = dimensions[i].size * dimensions[i].stride_bytes;
        }
        StridedRows rows(base, 4);
        for (const Dimension& dimension : dimensions) rows.add_dimension(dimension.size, dimension.stride_bytes);

        bool is_right = true;
        for (int64_t n = 0; n < num_rows; ++n) {
            const char* expected = base;
            int64_t rest = n;
            for (size_t i = dimensions.size(); i-- > 0; rest /= dimensions[i].size) {
                expected += rest % dimensions[i].size * dimensions[i].stride_bytes;
            }
            is_right = is_right && rows.row(n) == expected;
        }
        CHECK(is_right);
    }
}

}  // namespace
