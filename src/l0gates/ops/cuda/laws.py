"""Noise and the two distributions as Triton functions: Philox4x32-10, gates and their slopes."""

import triton
import triton.language as tl

# Triton's functions read module constants only as constexpr.
BINARY_CONCRETE: tl.constexpr = tl.constexpr(0)
GAUSSIAN: tl.constexpr = tl.constexpr(1)


@triton.jit
def _philox(seed, example, block, stream):
    """The four words of a counter; ``example`` and ``block`` are broadcast."""
    c0 = (block + example * 0).to(tl.uint32)
    c1 = tl.zeros_like(c0) + (example & 0xFFFFFFFF).to(tl.uint32)
    c2 = tl.zeros_like(c0) + ((example >> 32) & 0xFFFFFFFF).to(tl.uint32)
    c3 = tl.zeros_like(c0) + stream
    return tl.philox(seed, c0, c1, c2, c3)


@triton.jit
def _word(seed, example, gate, stream):
    """The word of each gate, in any order: four words are computed and one is kept."""
    w0, w1, w2, w3 = _philox(seed, example, gate // 4, stream)
    which = gate % 4
    return tl.where(which < 2, tl.where(which == 0, w0, w1), tl.where(which == 2, w2, w3))


@triton.jit
def _words_in_row(seed, example, first, stream, BLOCK: tl.constexpr):
    """The words of ``BLOCK`` gates that follow each other from ``first``, a multiple of 4: shape (..., ``BLOCK``).

    ``example`` is of shape (..., 1).
    """
    w0, w1, w2, w3 = _philox(seed, example, first // 4 + tl.arange(0, BLOCK // 4)[None, :], stream)
    return tl.interleave(tl.interleave(w0, w2), tl.interleave(w1, w3))


@triton.jit
def _fraction(word, low, DOUBLE: tl.constexpr):
    """(k + 1/2) 2^-23 of the top 23 bits; in float64 of 52 bits, 20 of them from ``low``."""
    if DOUBLE:
        bits = (word.to(tl.int64) << 20) | (low.to(tl.int64) >> 12)
        fraction = (bits.to(tl.float64) + 0.5) * 2.220446049250313e-16
    else:
        # 1 + k 2^-23 has these bits, and what is taken off leaves k + 1/2 of them, exactly.
        fraction = ((word >> 9) | 0x3F800000).to(tl.float32, bitcast=True) - 0.999999940395355224609375
    return fraction


@triton.jit
def noise_in_row(seed, example, first, stream, BLOCK: tl.constexpr, DOUBLE: tl.constexpr):
    """Uniform noise of gates that follow each other."""
    word = _words_in_row(seed, example, first, stream, BLOCK)
    low = word
    if DOUBLE:
        low = _words_in_row(seed, example, first, stream + 2, BLOCK)
    return _fraction(word, low, DOUBLE)


@triton.jit
def noise(seed, example, gate, stream, DOUBLE: tl.constexpr):
    """Uniform noise of gates in any order."""
    word = _word(seed, example, gate, stream)
    low = word
    if DOUBLE:
        low = _word(seed, example, gate, stream + 2)
    return _fraction(word, low, DOUBLE)


@triton.jit
def _polynomial(x, c0, c1, c2, c3, c4, c5, c6, c7, c8):
    value = (((c0 * x + c1) * x + c2) * x + c3) * x + c4
    return (((value * x + c5) * x + c6) * x + c7) * x + c8


# fmt: off
@triton.jit
def _central_quantile(u):
    y = u - 0.5
    q = y * y
    p = ((-59.9633501014107895267 * q + 98.0010754185999661536) * q - 56.6762857469070293439) * q
    p = (p + 13.9312609387279679503) * q - 1.23916583867381258016
    return (y + y * (q * p / _polynomial(
        q, 1.0, 1.95448858338141759834, 4.67627912898881538453, 86.3602421390890590575, -225.462687854119370527,
        200.260212380060660359, -82.0372256168333339912, 15.9056225126211695515, -1.18331621121330003142,
    ))) * 2.50662827463100050242


@triton.jit
def _tail_quantile(tail):
    x = tl.sqrt(-2 * tl.log(tail))
    z = 1 / x
    near = z * _polynomial(
        z, 4.05544892305962419923, 31.5251094599893866154, 57.1628192246421288162, 44.0805073893200834700,
        14.6849561928858024014, 2.18663306850790267539, -0.140256079171354495875, -0.0350424626827848203418,
        -0.000857456785154685413611,
    ) / _polynomial(
        z, 1.0, 15.7799883256466749731, 45.3907635128879210584, 41.3172038254672030440, 15.0425385692907503408,
        2.50464946208309415979, -0.142182922854787788574, -0.0380806407691578277194, -0.000933259480895457427372,
    )
    far = z * _polynomial(
        z, 3.23774891776946035970, 6.91522889068984211695, 3.93881025292474443415, 1.33303460815807542389,
        0.201485389549179081538, 0.0123716634817820021358, 0.000301581553508235416007, 2.65806974686737550832e-06,
        6.23974539184983293730e-09,
    ) / _polynomial(
        z, 1.0, 6.02427039364742014255, 3.67983563856160859403, 1.37702099489081330271, 0.216236993594496635890,
        0.0134204006088543189037, 0.000328014464682127739104, 2.89247864745380683936e-06, 6.79019408009981274425e-09,
    )
    return x - tl.log(x) / x - tl.where(x < 8, near, far)
# fmt: on


@triton.jit
def _normal_quantile(u):
    """Cephes' ndtri: every interval is computed and one taken."""
    tail = tl.minimum(u, 1 - u)
    outer = _tail_quantile(tail)
    outer = tl.where(u > 0.5, outer, -outer)
    return tl.where(tail > 0.13533528323661269189, _central_quantile(u), outer)


@triton.jit
def unfolded(u, parameter, k0, k1, k2, k3, LAW: tl.constexpr):
    """The unfolded gate and its slope by the parameter, 0 beyond the folds."""
    if LAW == BINARY_CONCRETE:
        u = tl.minimum(tl.maximum(u, k3), 1 - k3)
        v = (tl.log(u / (1 - u)) + parameter) * (1 / k0)
        # Of -|v|, so that the exponential cannot overflow.
        e = tl.exp(-tl.abs(v))
        s = tl.where(v >= 0, 1.0, e) / (1 + e)
        gate = s * (k2 - k1) + k1
        slope = (gate - k1) * (k2 - gate) * (1 / ((k2 - k1) * k0))
    else:
        gate = parameter + k0 * _normal_quantile(u)
        slope = tl.full(gate.shape, 1.0, gate.dtype)
    return gate, tl.where((gate >= 0) & (gate <= 1), slope, 0.0)


@triton.jit
def fold(gate):
    """Onto [0, 1]; NaN stays NaN."""
    return tl.where(gate < 0, 0.0, tl.where(gate > 1, 1.0, gate))


@triton.jit
def constants(k0, k1, k2, k3, DOUBLE: tl.constexpr):
    """The hyper-parameters, read on the device."""
    if DOUBLE:
        dtype: tl.constexpr = tl.float64
    else:
        dtype: tl.constexpr = tl.float32
    return tl.load(k0).to(dtype), tl.load(k1).to(dtype), tl.load(k2).to(dtype), tl.load(k3).to(dtype)
