"""One Gaussian's footprint on a grid as vector instructions, for numba.

numba leaves the short inner loops of a footprint scalar; written as LLVM vectors they take a
tenth of the time (docs/decisions/007). Every function that builds code here takes the builder of
the instructions first; what it returns are values of the program being built.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_FLOAT = ir.FloatType()
_INT32 = ir.IntType(32)


def adder(footprint: int) -> Any:
    """Intrinsic add(grid, start, stride, x, y, sharpness, weight): grid += weight · Gaussian.

    grid: flat float32 array; start: index of the footprint's first pixel; stride: pixels a row;
    x, y: where the Gaussian stands, from the first pixel; sharpness: −1/(2σ²).
    """
    vector, n_vectors = _columns(footprint)

    @intrinsic  # type: ignore[untyped-decorator]
    def add(_: Any, grid: Any, start: Any, stride: Any, x: Any, y: Any, s: Any, w: Any) -> Any:
        signature = types.void(grid, *_integers(2), *_floats(4))

        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            grid, start, stride, x, y, sharpness, weight = arguments
            data = context.make_array(signature.args[0])(context, b, grid).data
            along_x = [
                b.fmul(values, _spread_out(b, weight, vector))
                for _, values in _gaussian(b, x, sharpness, vector, n_vectors)
            ]
            along_y = [v for _, v in _gaussian(b, y, sharpness, vector, n_vectors)]
            rows = _stored(b, along_y)

            def add_row(row: Any) -> None:
                height = _spread_out(b, b.load(b.gep(rows, [row])), vector)
                for place, values in zip(
                    _row(b, data, start, stride, row, vector, n_vectors), along_x, strict=True
                ):
                    b.store(_multiply_add(b, height, values, b.load(place, align=4)), place, 4)

            _for_each_row(b, start.type, footprint, add_row)
            return context.get_dummy_value()

        return signature, generate

    return add


def planes_adder(footprint: int) -> Any:
    """Intrinsic add(grids, start, stride, plane, x, y, sharpness, factors, first, n): the Gaussian,
    times a polynomial for each of n grids, added to them.

    grids: flat float32 array, `plane` numbers a grid; factors: flat float32 array, four for each
    grid from `first` on, as in `splat_torch.spread_planes`; the other arguments as of `adder`.
    """
    vector, n_vectors = _columns(footprint)

    @intrinsic  # type: ignore[untyped-decorator]
    def add(
        _: Any, grid: Any, start: Any, stride: Any, plane: Any, x: Any, y: Any, s: Any, f: Any,
        first: Any, n: Any,
    ) -> Any:  # fmt: skip
        signature = types.void(grid, *_integers(3), *_floats(3), f, *_integers(2))

        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            grid, start, stride, plane, x, y, sharpness, factors, first, n = arguments
            data = context.make_array(signature.args[0])(context, b, grid).data
            numbers = context.make_array(signature.args[7])(context, b, factors).data
            along_x = _gaussian(b, x, sharpness, vector, n_vectors)
            along_y = _gaussian(b, y, sharpness, vector, n_vectors)
            heights = _stored(b, [values for _, values in along_y])
            with cgutils.for_range(b, n) as loop:
                at = b.add(first, b.mul(loop.index, ir.Constant(first.type, 4)))
                own = [
                    _spread_out(
                        b, b.load(b.gep(numbers, [b.add(at, ir.Constant(at.type, i))])), vector
                    )
                    for i in range(4)
                ]
                of_column = [
                    b.fmul(v, b.fadd(own[0], _polynomial(b, own[1], own[3], d))) for d, v in along_x
                ]
                of_row = [b.fmul(v, _polynomial(b, own[2], own[3], d)) for d, v in along_y]
                slopes = _stored(b, of_row)
                corner = b.add(start, b.mul(loop.index, plane))

                def add_row(row: Any) -> None:
                    height, slope = (
                        _spread_out(b, b.load(b.gep(numbers, [row])), vector)
                        for numbers in (heights, slopes)
                    )
                    places = _row(b, data, corner, stride, row, vector, n_vectors)
                    for place, column, (_, values) in zip(places, of_column, along_x, strict=True):
                        pixels = _multiply_add(b, height, column, b.load(place, align=4))
                        b.store(_multiply_add(b, slope, values, pixels), place, 4)

                _for_each_row(b, start.type, footprint, add_row)
            return context.get_dummy_value()

        return signature, generate

    return add


def reader(footprint: int) -> Any:
    """Intrinsic read(grid, start, stride, x, y, sharpness) → Σ grid·g, Σ grid·g·dx, Σ grid·g·dy,
    Σ grid·g·(dx² + dy²) over the footprint, with g the Gaussian; arguments as of `adder`."""
    vector, n_vectors = _columns(footprint)

    @intrinsic  # type: ignore[untyped-decorator]
    def read(_: Any, grid: Any, start: Any, stride: Any, x: Any, y: Any, s: Any) -> Any:
        signature = types.UniTuple(types.float32, 4)(grid, *_integers(2), *_floats(3))

        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            grid, start, stride, x, y, sharpness = arguments
            data = context.make_array(signature.args[0])(context, b, grid).data
            along_y = _gaussian(b, y, sharpness, vector, n_vectors)
            first = [b.fmul(offset, values) for offset, values in along_y]
            second = [b.fmul(d, v) for (d, _), v in zip(along_y, first, strict=True)]
            rows = [_stored(b, v) for v in ([values for _, values in along_y], first, second)]
            zero = ir.Constant(vector, [0.0] * vector.count)
            # Moment 0, 1 and 2 along y of every column.
            sums = [[cgutils.alloca_once_value(b, zero) for _ in range(n_vectors)] for _ in rows]

            def read_row(row: Any) -> None:
                places = _row(b, data, start, stride, row, vector, n_vectors)
                pixels = [b.load(place, align=4) for place in places]
                for moment, total in zip(rows, sums, strict=True):
                    factor = _spread_out(b, b.load(b.gep(moment, [row])), vector)
                    for pixel, part in zip(pixels, total, strict=True):
                        b.store(_multiply_add(b, factor, pixel, b.load(part)), part)

            _for_each_row(b, start.type, footprint, read_row)
            results = [zero] * 4
            along_x = _gaussian(b, x, sharpness, vector, n_vectors)
            for number, (dx, values) in enumerate(along_x):
                m0, m1, m2 = (b.fmul(values, b.load(total[number])) for total in sums)
                m0_dx = b.fmul(m0, dx)
                parts = (m0, m0_dx, m1, _multiply_add(b, m0_dx, dx, m2))
                results = [b.fadd(r, part) for r, part in zip(results, parts, strict=True)]
            totals = tuple(_total(b, r) for r in results)
            return context.make_tuple(b, signature.return_type, totals)

        return signature, generate

    return read


def _columns(footprint: int) -> tuple[Any, int]:
    """The vector type for a row of the footprint, and how many vectors the row takes.

    16 numbers fill a register of AVX-512; LLVM splits them where there is none.
    """
    width = 16 if footprint % 16 == 0 else 8
    if footprint % width:
        raise ValueError(f"a footprint of {footprint} pixels is not made of vectors of {width}")
    return ir.VectorType(_FLOAT, width), footprint // width


def _integers(n: int) -> list[Any]:
    return [types.intp] * n


def _floats(n: int) -> list[Any]:
    return [types.float32] * n


def _gaussian(b: Any, at: Any, sharpness: Any, vector: Any, n_vectors: int) -> list[Any]:
    """Offsets of the pixels from the Gaussian, and its values there, along one axis."""
    result = []
    for number in range(n_vectors):
        pixels = [float(number * vector.count + c) for c in range(vector.count)]
        offsets = b.fsub(ir.Constant(vector, pixels), _spread_out(b, at, vector))
        exponent = b.fmul(b.fmul(offsets, offsets), _spread_out(b, sharpness, vector))
        result.append((offsets, _exp(b, exponent, vector)))
    return result


def _polynomial(b: Any, first: Any, second: Any, offsets: Any) -> Any:
    """first · d + second · d² at offsets d."""
    return b.fmul(offsets, _multiply_add(b, second, offsets, first))


def _exp(b: Any, x: Any, vector: Any) -> Any:
    """exp(x) for x ≤ 0, to 2e-7: 2^k · e^f with |f| ≤ ln 2 / 2, e^f by its series."""
    integers = ir.VectorType(_INT32, vector.count)
    least = _constant(vector, -80.0)
    x = b.select(b.fcmp_ordered(">", x, least), x, least)
    in_octaves = b.fmul(x, _constant(vector, math.log2(math.e)))
    # Towards zero after −½: to the nearest integer, as the argument is negative.
    k = b.fptosi(b.fsub(in_octaves, _constant(vector, 0.5)), integers)
    f = b.fmul(b.fsub(in_octaves, b.sitofp(k, vector)), _constant(vector, math.log(2)))
    series = _constant(vector, 1 / 720)
    for factorial in (120, 24, 6, 2, 1, 1):
        series = _multiply_add(b, series, f, _constant(vector, 1 / factorial))
    exponent = b.add(k, ir.Constant(integers, [127] * vector.count))
    power = b.shl(exponent, ir.Constant(integers, [23] * vector.count))
    return b.fmul(series, b.bitcast(power, vector))


def _stored(b: Any, vectors: list[Any]) -> Any:
    """Put vectors behind one another in memory; returns the address of the first number."""
    memory = cgutils.alloca_once(b, ir.ArrayType(vectors[0].type, len(vectors)))
    start = b.bitcast(memory, vectors[0].type.as_pointer())
    for number, vector in enumerate(vectors):
        b.store(vector, b.gep(start, [_INT32(number)]))
    return b.bitcast(start, _FLOAT.as_pointer())


def _row(b: Any, data: Any, start: Any, stride: Any, row: Any, vector: Any, n: int) -> list[Any]:
    """Addresses of the vectors of one row of the footprint."""
    first = b.add(start, b.mul(row, stride))
    offsets = [ir.Constant(start.type, number * vector.count) for number in range(n)]
    return [b.bitcast(b.gep(data, [b.add(first, o)]), vector.as_pointer()) for o in offsets]


def _for_each_row(b: Any, integer: Any, n_rows: int, body: Callable[[Any], None]) -> None:
    with cgutils.for_range(b, ir.Constant(integer, n_rows)) as loop:
        body(loop.index)


def _spread_out(b: Any, number: Any, vector: Any) -> Any:
    """A vector whose entries are all the same number."""
    nothing = ir.Constant(vector, ir.Undefined)
    lanes = ir.Constant(ir.VectorType(_INT32, vector.count), [0] * vector.count)
    return b.shuffle_vector(b.insert_element(nothing, number, _INT32(0)), nothing, lanes)


def _multiply_add(b: Any, x: Any, y: Any, z: Any) -> Any:
    return b.fadd(b.fmul(x, y, flags=["contract"]), z, flags=["contract"])


def _total(b: Any, vector: Any) -> Any:
    """The sum of a vector's entries, a power of two of them: halves added until one is left."""
    n = vector.type.count
    while n > 1:
        n //= 2
        lanes = [ir.Constant(ir.VectorType(_INT32, n), [o + c for c in range(n)]) for o in (0, n)]
        vector = b.fadd(*(b.shuffle_vector(vector, vector, half) for half in lanes))
    return b.extract_element(vector, _INT32(0))


def _constant(vector: Any, value: float) -> Any:
    return ir.Constant(vector, [value] * vector.count)
