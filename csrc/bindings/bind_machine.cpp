// Instruction sets and what this machine can do.
#include <pybind11/pybind11.h>

#include <string>

#include "bindings/bindings.h"
#include "bindings/isa_argument.h"
#include "ops/machine_peak.h"

namespace py = pybind11;

namespace sparseinf {
namespace {

template <double (*kMeasure)(Isa)>
double measured(const std::string& isa) {
    const Isa level = isa_argument(isa);
    const py::gil_scoped_release release;
    return kMeasure(level);
}

}  // namespace

void bind_machine(py::module_& m) {
    m.def("available_isas", [] {
        py::tuple names(available_isas().size());
        for (size_t i = 0; i < names.size(); ++i) names[i] = py::str(std::string(name_of(available_isas()[i])));
        return names;
    });
    m.def(
        "float32_isa", [](const std::string& isa) { return std::string(name_of(float_isa(isa_argument(isa)))); },
        py::arg("isa"));
    m.def("measure_peak_gflops", &measured<measure_peak_gflops>, py::arg("isa"));
    m.def("measure_int8_peak_gops", &measured<measure_int8_peak_gops>, py::arg("isa"));
    m.def(
        "measure_read_gbps",
        [](const std::string& isa, int64_t nbytes) {
            const Isa level = isa_argument(isa);
            if (nbytes < 1) throw py::value_error("nbytes must be at least 1");
            const py::gil_scoped_release release;
            return measure_read_gbps(level, nbytes);
        },
        py::arg("isa"), py::arg("nbytes"));
}

}  // namespace sparseinf
