// Programs: plain steps, constants and slots come in, arrays go in and out.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/bound_linear.h"
#include "ops/operation_table.h"
#include "ops/type_names.h"
#include "program/program.h"

namespace py = pybind11;

namespace sparseinf {
namespace {

py::dtype numpy_dtype(ElementType type) {
    for (const auto& [known, name] : kTypeNames) {
        if (known == type) return py::dtype(name);
    }
    throw std::logic_error("an element type without a name");
}

// A view of an array's memory: it must be C-contiguous, which `runtime.Program` sees to.
Tensor tensor_of(const py::array& array) {
    Tensor tensor;
    const std::string name = py::str(array.dtype());
    bool is_known = false;
    for (const auto& [type, known] : kTypeNames) {
        if (name != known) continue;
        tensor.type = type;
        is_known = true;
    }
    if (!is_known) throw py::type_error("programs have no arrays of " + name);
    if (array.ndim() > kMaxRank) {
        throw py::value_error("an array has " + std::to_string(array.ndim()) + " dimensions, but programs know " +
                              std::to_string(kMaxRank));
    }
    if (!(array.flags() & py::array::c_style)) throw py::value_error("arrays must be C-contiguous");
    for (py::ssize_t d = 0; d < array.ndim(); ++d) tensor.shape.append(array.shape(d));
    tensor.data = const_cast<void*>(array.data());
    return tensor;
}

// The array owns the memory from now on.
py::array numpy_array(OwnedTensor&& tensor) {
    std::vector<py::ssize_t> shape;
    for (int d = 0; d < tensor.shape.rank(); ++d) shape.push_back(tensor.shape[d]);
    const py::dtype dtype = numpy_dtype(tensor.type);
    auto owner = std::make_unique<AlignedBuffer<std::byte>>(std::move(tensor.memory));
    const void* data = owner->data();
    const py::capsule capsule(owner.get(), [](void* memory) { delete static_cast<AlignedBuffer<std::byte>*>(memory); });
    owner.release();
    return py::array(dtype, shape, data, capsule);
}

Attribute attribute_of(const py::handle& value) {
    if (py::isinstance<BoundLinear>(value)) return value.cast<const BoundLinear&>().linear();
    if (py::isinstance<py::str>(value)) return value.cast<std::string>();
    if (py::isinstance<py::int_>(value)) return value.cast<int64_t>();
    if (py::isinstance<py::float_>(value)) return value.cast<double>();
    const auto list = value.cast<py::list>();
    for (const auto& element : list) {
        if (py::isinstance<py::float_>(element)) return list.cast<std::vector<double>>();
    }
    return list.cast<std::vector<int64_t>>();
}

using BoundStep = std::tuple<std::string, py::dict, std::vector<int>, std::vector<int>>;

class BoundProgram {
public:
    BoundProgram(int num_slots, const std::vector<std::pair<int, py::array>>& constants, std::vector<int> inputs,
                 std::vector<int> outputs, const std::vector<BoundStep>& steps, int num_threads)
        : num_threads_(num_threads),
          program_(num_slots, constants_of(constants), std::move(inputs), std::move(outputs), steps_of(steps)) {}

    std::vector<py::array> run(const std::vector<py::array>& inputs) const { return run_timed(inputs, nullptr); }

    std::pair<std::vector<py::array>, std::vector<int64_t>> profile(const std::vector<py::array>& inputs) const {
        std::vector<int64_t> step_time_ns;
        auto outputs = run_timed(inputs, &step_time_ns);
        return {std::move(outputs), std::move(step_time_ns)};
    }

private:
    std::vector<py::array> run_timed(const std::vector<py::array>& inputs, std::vector<int64_t>* step_time_ns) const {
        if (static_cast<int>(inputs.size()) != program_.num_inputs()) {
            throw py::value_error("the program has " + std::to_string(program_.num_inputs()) + " inputs, but " +
                                  std::to_string(inputs.size()) + " came");
        }
        std::vector<Tensor> tensors;
        for (const py::array& input : inputs) tensors.push_back(tensor_of(input));
        std::vector<OwnedTensor> outputs;
        try {
            const py::gil_scoped_release release;
            outputs = program_.run(tensors, {num_threads_, step_time_ns});
        } catch (const OperationError& error) {
            throw py::value_error(error.what());
        }
        std::vector<py::array> arrays;
        for (OwnedTensor& output : outputs) arrays.push_back(numpy_array(std::move(output)));
        return arrays;
    }

    // The program reads the arrays' own memory, and keeps them alive.
    static std::vector<Program::Constant> constants_of(const std::vector<std::pair<int, py::array>>& constants) {
        std::vector<Program::Constant> made;
        for (const auto& [slot, array] : constants) {
            auto* const owner = new py::array(array);
            made.push_back({slot, tensor_of(array), std::shared_ptr<const void>(owner, [](const py::array* held) {
                                const py::gil_scoped_acquire acquire;
                                delete held;
                            })});
        }
        return made;
    }

    static std::vector<Program::Step> steps_of(const std::vector<BoundStep>& steps) {
        std::vector<Program::Step> made;
        for (const auto& [name, attributes, inputs, outputs] : steps) {
            std::map<std::string, Attribute> values;
            for (const auto& [key, value] : attributes) values.emplace(key.cast<std::string>(), attribute_of(value));
            made.push_back({make_operation(name, Attributes(std::move(values))), inputs, outputs});
        }
        return made;
    }

    int num_threads_;
    Program program_;
};

}  // namespace

void bind_program(py::module_& m) {
    m.def("native_operations", &operation_names);
    py::class_<BoundProgram>(m, "Program", py::is_final())
        .def(py::init<int, const std::vector<std::pair<int, py::array>>&, std::vector<int>, std::vector<int>,
                      const std::vector<BoundStep>&, int>(),
             py::kw_only(), py::arg("num_slots"), py::arg("constants"), py::arg("inputs"), py::arg("outputs"),
             py::arg("steps"), py::arg("num_threads"))
        .def("run", &BoundProgram::run, py::arg("inputs"))
        .def("profile", &BoundProgram::profile, py::arg("inputs"));
}

}  // namespace sparseinf
