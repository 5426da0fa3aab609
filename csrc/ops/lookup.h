// Float layers by lookups: a few columns of x at a time, for any number of them.
#pragma once

#include "ops/linear_call.h"
#include "pack/lookup_pack.h"

namespace sparseinf {

// Throws std::bad_alloc before anything is written.
void run_on_groups(const LookupPack& pack, const LinearLayer& layer, const LinearCall& call);

}  // namespace sparseinf
