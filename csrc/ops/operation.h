// What a step of a program does, and what it sees of the run that it is part of.
//
// An operation is made once, from attributes; it runs for any shapes, from several threads at once. It finds out the
// shapes of its outputs from those of its inputs, asks for their memory, and fills them.
#pragma once

#include <stdexcept>
#include <string>

#include "ops/tensor.h"

namespace sparseinf {

// Inputs of a call that do not fit each other, found out on the way: becomes a ValueError.
class OperationError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

class StepContext {
public:
    virtual ~StepContext() = default;

    // nullptr: an optional input that is not there.
    virtual const Tensor* input(int i) const = 0;
    virtual int num_inputs() const = 0;
    virtual int num_outputs() const = 0;
    // Whether somebody reads it.
    virtual bool has_output(int i) const = 0;

    // Memory for an output, not initialised. Throws OperationError where the size is beyond all memory.
    virtual Tensor& output(int i, ElementType type, const Shape& shape) = 0;
    // Likewise, but in the memory of an input that nobody reads afterwards, if there is such: an element may be written
    // once it has been read. Its bytes are as many as the input's.
    virtual Tensor& output_over(int i, int input, ElementType type, const Shape& shape) = 0;
    // An output that is an input's elements in another shape.
    virtual void output_is_input(int i, int input, const Shape& shape) = 0;

    virtual int num_threads() const = 0;

    // An input that must be there.
    const Tensor& at(int i) const { return *input(i); }
};

class Operation {
public:
    virtual ~Operation() = default;

    // Throws OperationError and std::bad_alloc only.
    virtual void run(StepContext& step) const = 0;
};

// "(2, 3)"
inline std::string text_of(const Shape& shape) {
    std::string text = "(";
    for (int d = 0; d < shape.rank(); ++d) text += std::to_string(shape[d]) + (d + 1 < shape.rank() ? ", " : "");
    return text + (shape.rank() == 1 ? ",)" : ")");
}

}  // namespace sparseinf
