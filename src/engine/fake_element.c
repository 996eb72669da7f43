/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/fake_element.h"

#include <math.h>
#include <string.h>

/* IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. */
enum { HALF_FRACTION_BITS = 10, HALF_EXPONENT_MAX = 31, HALF_EXPONENT_MIN = -14 };

static double half_get(uint16_t bits)
{
    int exponent = (bits >> HALF_FRACTION_BITS) & HALF_EXPONENT_MAX;
    int fraction = bits & ((1 << HALF_FRACTION_BITS) - 1);
    double magnitude;
    if (exponent == HALF_EXPONENT_MAX)
        magnitude = fraction == 0 ? (double)INFINITY : (double)NAN;
    else if (exponent == 0)
        magnitude = ldexp(fraction, HALF_EXPONENT_MIN - HALF_FRACTION_BITS);
    else
        magnitude = ldexp(fraction + (1 << HALF_FRACTION_BITS), exponent - 15 - HALF_FRACTION_BITS);
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

static uint16_t half_put(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double magnitude = fabs(value);
    if (isnan(value))
        return 0x7E00;
    if (magnitude >= 65520)
        return (uint16_t)(sign | 0x7C00);
    int exponent = magnitude > 0 ? ilogb(magnitude) : HALF_EXPONENT_MIN;
    if (exponent < HALF_EXPONENT_MIN)
        exponent = HALF_EXPONENT_MIN;
    /* In units of the last place; rint rounds to even, and a carry moves into the exponent as it
     * should. Below the normal range the hidden bit is absent, and so is one exponent step. */
    int units = (int)rint(ldexp(magnitude, HALF_FRACTION_BITS - exponent));
    return (uint16_t)(sign | (units + ((exponent - HALF_EXPONENT_MIN) << HALF_FRACTION_BITS)));
}

/* The upper half of a float. */
static double brain_get(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof(value));
    return (double)value;
}

static uint16_t brain_put(double value)
{
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof(bits));
    if (isnan(value))
        return 0x7FC0;
    return (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

double element_get(enum dtype dtype, const void *data, uint64_t index)
{
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
        float f32;
        double f64;
    } v = {0};
    size_t bytes = dtype_bytes(dtype);
    memcpy(&v, (const char *)data + index * bytes, bytes);
    switch (dtype) {
    case DTYPE_BOOL:
    case DTYPE_UINT8:
        return v.u8;
    case DTYPE_UINT16:
        return v.u16;
    case DTYPE_UINT32:
        return v.u32;
    case DTYPE_UINT64:
        return (double)v.u64;
    case DTYPE_INT8:
        return v.i8;
    case DTYPE_INT16:
        return v.i16;
    case DTYPE_INT32:
        return v.i32;
    case DTYPE_INT64:
        return (double)v.i64;
    case DTYPE_FP16:
        return half_get(v.u16);
    case DTYPE_FP32:
        return (double)v.f32;
    case DTYPE_FP64:
        return v.f64;
    case DTYPE_BF16:
        return brain_get(v.u16);
    case DTYPE_INVALID:
    case DTYPE_BYTES:
    case DTYPE_COUNT:
        break;
    }
    return 0;
}

/* To a signed or unsigned integer of so many bits, as its two's complement. */
static uint64_t integer_put(double value, unsigned bits, bool is_signed)
{
    double limit = ldexp(1, (int)bits - (is_signed ? 1 : 0));
    double lowest = is_signed ? -limit : 0;
    if (isnan(value))
        return 0;
    if (value <= lowest)
        return is_signed ? ~UINT64_C(0) << (bits - 1) : 0;
    if (value >= limit)
        return is_signed ? (UINT64_C(1) << (bits - 1)) - 1 : ~UINT64_C(0) >> (64 - bits);
    return value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
}

void element_put(enum dtype dtype, void *data, uint64_t index, double value)
{
    size_t bytes = dtype_bytes(dtype);
    uint64_t bits = 0;
    float narrow = (float)value;
    switch (dtype) {
    case DTYPE_BOOL:
        bits = value != 0 ? 1 : 0;
        break;
    case DTYPE_UINT8:
    case DTYPE_UINT16:
    case DTYPE_UINT32:
    case DTYPE_UINT64:
        bits = integer_put(value, (unsigned)bytes * 8, false);
        break;
    case DTYPE_INT8:
    case DTYPE_INT16:
    case DTYPE_INT32:
    case DTYPE_INT64:
        bits = integer_put(value, (unsigned)bytes * 8, true);
        break;
    case DTYPE_FP16:
        bits = half_put(value);
        break;
    case DTYPE_BF16:
        bits = brain_put(value);
        break;
    case DTYPE_FP32:
        memcpy(&bits, &narrow, sizeof(narrow));
        break;
    case DTYPE_FP64:
        memcpy(&bits, &value, sizeof(value));
        break;
    case DTYPE_INVALID:
    case DTYPE_BYTES:
    case DTYPE_COUNT:
        return;
    }
    memcpy((char *)data + index * bytes, &bits, bytes);
}

double element_sum(enum dtype dtype, const void *data, uint64_t first, uint64_t count)
{
    double sum = 0;
    if (dtype == DTYPE_FP32) {
        /* The common case is on benchmarks' way, where a call per element would show. */
        const char *at = (const char *)data + first * sizeof(float);
        for (uint64_t i = 0; i < count; i++) {
            float value;
            memcpy(&value, at + i * sizeof(value), sizeof(value));
            sum += (double)value;
        }
        return sum;
    }
    for (uint64_t i = 0; i < count; i++)
        sum += element_get(dtype, data, first + i);
    return sum;
}
