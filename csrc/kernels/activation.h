// Activation functions over a vector. NaN stays NaN.
//
// The polynomials were fitted for this file (reweighted least squares towards the smallest largest relative error,
// in double precision); the error named beside each is that of the fit, before rounding to float32.
#pragma once

#include "kernel_args.h"
#include "row_sums.h"

namespace {

template <class V, int kTerms>
SPARSEINF_INLINE V polynomial(V x, const float (&coefficients)[kTerms]) {
    V sum = V::broadcast(coefficients[kTerms - 1]);
    for (int i = kTerms - 2; i >= 0; --i) sum = multiply_add(sum, x, V::broadcast(coefficients[i]));
    return sum;
}

template <class V>
SPARSEINF_INLINE V clip(V x, float low, float high) {
    return at_most(V::broadcast(high), at_least(V::broadcast(low), x));
}

// exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln(2) / 2. n = -127 makes 2^n zero and n = 128 infinity: so the
// result is zero below -87.7 and infinity above 88.4, and a product with it saturates as the true one does.
template <class V>
SPARSEINF_INLINE V exponential(V x) {
    x = clip(x, -88.0f, 89.0f);
    const V n = round_to_integer(x * V::broadcast(1.44269504f));
    V r = multiply_add(n, V::broadcast(-0.693145752f), x);  // ln 2 in two parts: the first is exact times n
    r = multiply_add(n, V::broadcast(-1.42860677e-6f), r);
    // exp(r) = 1 + r + r^2 * p(r), relative error 3e-9
    const V p = polynomial(r, {0.49999994f, 0.16666521f, 0.041668389f, 0.0083687110f, 0.0013814601f});
    return multiply_add(p, r * r, r + V::broadcast(1.0f)) * power_of_two(n);
}

template <class V>
SPARSEINF_INLINE V sigmoid(V x) {
    const V one = V::broadcast(1.0f);
    return one / (one + exponential(V::zero() - x));
}

// |x| < 0.625: x + x^3 * p(x^2), relative error 4e-9; beyond: 1 - 2 / (exp(2 |x|) + 1) with the sign of x.
template <class V>
SPARSEINF_INLINE V hyperbolic_tangent(V x) {
    const V one = V::broadcast(1.0f);
    const V magnitude = absolute(x);
    const V square = x * x;
    const V p = polynomial(square, {-0.33333281f, 0.13331442f, -0.053739719f, 0.020639099f, -0.0057049980f});
    const V near = multiply_add(x * square, p, x);
    const V far = one - V::broadcast(2.0f) / (exponential(magnitude + magnitude) + one);
    return select_less(magnitude, V::broadcast(0.625f), near, copy_sign(far, x));
}

// x * Phi(x), Phi(-z sqrt 2) = erfc(z) / 2, erfc(z) = exp(-z^2) * t * p(t), t = 1 / (1 + z / 2), relative error 5e-8.
template <class V>
SPARSEINF_INLINE V gelu(V x) {
    const V one = V::broadcast(1.0f);
    const V z = absolute(x) * V::broadcast(0.707106781f);
    const V t = one / multiply_add(z, V::broadcast(0.5f), one);
    const V p = polynomial(t, {0.28208435f, 0.28241161f, 0.24283852f, 0.20373954f, -0.029118704f, 0.28169063f,
                               -0.49036902f, 0.28610555f, -0.059382543f});
    const V erfc = exponential(V::zero() - z * z) * t * p;
    const V twice_phi = select_less(x, V::zero(), erfc, V::broadcast(2.0f) - erfc);
    return x * V::broadcast(0.5f) * twice_phi;
}

// x / 2 * (1 + tanh(u)) = x * sigmoid(2 u), u = sqrt(2 / pi) * (x + 0.044715 x^3)
template <class V>
SPARSEINF_INLINE V gelu_tanh(V x) {
    const V inner = multiply_add(x * x, V::broadcast(0.044715f), V::broadcast(1.0f));
    return x * sigmoid(x * inner * V::broadcast(1.59576912f));
}

// Applied to kCount vectors at once: the switch is taken once a tile, not once a vector.
template <class V, int kCount>
SPARSEINF_INLINE void activate(V (&x)[kCount], const Epilogue& epilogue) {
    const auto each = [&x](auto function) {
        for (int i = 0; i < kCount; ++i) x[i] = function(x[i]);
    };
    switch (epilogue.activation) {
        case Activation::kNone:
            break;
        case Activation::kClip:
            each([&](V v) { return clip(v, epilogue.low, epilogue.high); });
            break;
        case Activation::kGelu:
            each([](V v) { return gelu(v); });
            break;
        case Activation::kGeluTanh:
            each([](V v) { return gelu_tanh(v); });
            break;
        case Activation::kSilu:
            each([](V v) { return v * sigmoid(v); });
            break;
        case Activation::kHardswish:
            each([](V v) { return v * (clip(v + V::broadcast(3.0f), 0.0f, 6.0f) * V::broadcast(1.0f / 6.0f)); });
            break;
        case Activation::kHardsigmoid:
            each([](V v) { return clip(v + V::broadcast(3.0f), 0.0f, 6.0f) * V::broadcast(1.0f / 6.0f); });
            break;
        case Activation::kSigmoid:
            each([](V v) { return sigmoid(v); });
            break;
        case Activation::kTanh:
            each([](V v) { return hyperbolic_tangent(v); });
            break;
        case Activation::kLeakyRelu:
            each([&](V v) { return select_less(v, V::zero(), v * V::broadcast(epilogue.slope), v); });
            break;
    }
}

}  // namespace
