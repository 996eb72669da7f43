/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as JSON text, in the shortest form that reads back as the same value.
 *
 * Doubles go through yyjson. Its 0.10 knows no floats, and a float written as a double has 17
 * digits instead of at most 9, so floats are made here: the value is rounded to 6, 7, 8 and 9
 * digits in double arithmetic until one reads back. With at most nine digits and a power of ten up
 * to 10^22 both operands are exact in a double, so the division gives the same double as a correct
 * parser of the text does.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/json.h"

enum { FLOAT_DIGITS_MIN = 6, FLOAT_DIGITS_MAX = 9, TEN_POWER_MAX = 22 };

static const double ten_powers[TEN_POWER_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static size_t literal_write(const char *text, char *out)
{
    size_t length = strlen(text);
    memcpy(out, text, length);
    return length;
}

size_t json_format_uint(uint64_t value, char *out)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

size_t json_format_double(double value, char *out)
{
    if (!isfinite(value))
        return literal_write("null", out);
    char pool[1024];
    yyjson_alc allocator;
    bool ready = yyjson_alc_pool_init(&allocator, pool, sizeof(pool));
    roost_assert(ready);
    yyjson_val number = {0};
    unsafe_yyjson_set_real(&number, value);
    size_t length = 0;
    const char *text = yyjson_val_write_opts(&number, YYJSON_WRITE_NOFLAG, &allocator, &length,
                                             NULL);
    roost_assert(text != NULL && length < JSON_NUMBER_BYTES_MAX);
    memcpy(out, text, length);
    return length;
}

/* digits * 10^exponent in a double: exact operands, one rounding. */
static double decimal_value(uint32_t digits, int exponent)
{
    return exponent < 0 ? digits / ten_powers[-exponent] : digits * ten_powers[exponent];
}

/*
 * A double exactly between two floats may stand for a decimal on either side, which a parser that
 * goes straight to floats would round the other way. An exact decimal is a tie for both.
 */
static bool is_unclear(double value, uint32_t digits, int exponent)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if ((bits & UINT64_C(0x1FFFFFFF)) != UINT64_C(0x10000000))
        return false;
    double error = exponent < 0 ? fma(value, ten_powers[-exponent], -(double)digits)
                                : fma(digits, ten_powers[exponent], -value);
    return error < 0.0 || error > 0.0;
}

/* floor(log10(value)) for a normal value; the table holds every power that can be asked for. */
static int decimal_exponent(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    int exponent_2 = (int)(bits >> 52) - 1023;
    /* 78913 / 2^18 is log10(2): the guess is right or one too small. */
    int guess = (exponent_2 * 78913) >> 18;
    double next = guess + 1 >= 0 ? ten_powers[guess + 1] : 1.0 / ten_powers[-(guess + 1)];
    return value >= next ? guess + 1 : guess;
}

/* Writes digits * 10^exponent, as 0.00123, 123.0 or 1.23e20, whichever people would write. */
static size_t decimal_write(uint32_t digits, int exponent, char *out)
{
    while (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    char text[20];
    int length = (int)json_format_uint(digits, text);
    int point = length + exponent; /* digits before the decimal point */
    char *end = out;
    if (point > 0 && point <= 16) {
        int whole = length < point ? length : point;
        memcpy(end, text, (size_t)whole);
        end += whole;
        for (int i = whole; i < point; i++)
            *end++ = '0';
        *end++ = '.';
        if (whole == length)
            *end++ = '0';
        memcpy(end, text + whole, (size_t)(length - whole));
        end += length - whole;
    } else if (point <= 0 && point > -5) {
        *end++ = '0';
        *end++ = '.';
        for (int i = point; i < 0; i++)
            *end++ = '0';
        memcpy(end, text, (size_t)length);
        end += length;
    } else {
        *end++ = text[0];
        if (length > 1) {
            *end++ = '.';
            memcpy(end, text + 1, (size_t)(length - 1));
            end += length - 1;
        }
        *end++ = 'e';
        if (point - 1 < 0)
            *end++ = '-';
        end += json_format_uint((uint64_t)abs(point - 1), end);
    }
    return (size_t)(end - out);
}

/* Very small, very large and subnormal values, which no data path is full of. */
static size_t float_write_slow(float value, char *out)
{
    char text[JSON_NUMBER_BYTES_MAX];
    for (int digits = FLOAT_DIGITS_MIN; digits <= FLOAT_DIGITS_MAX; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return literal_write(text, out);
}

size_t json_format_float(float value, char *out)
{
    if (!isfinite(value))
        return literal_write("null", out);
    double wide = (double)value;
    if (wide == 0.0)
        return literal_write(signbit(value) ? "-0.0" : "0.0", out);
    double size = fabs(wide);
    if (size < 1e-13 || size >= 1e22)
        return float_write_slow(value, out);
    size_t sign = wide < 0.0 ? 1 : 0;
    out[0] = '-';
    int magnitude = decimal_exponent(size);
    for (int precision = FLOAT_DIGITS_MIN; precision <= FLOAT_DIGITS_MAX; precision++) {
        int exponent = magnitude - precision + 1;
        double scaled = exponent < 0 ? size * ten_powers[-exponent] : size / ten_powers[exponent];
        uint32_t digits = (uint32_t)(scaled + 0.5);
        double back = decimal_value(digits, exponent);
        if ((float)back == (float)size && !is_unclear(back, digits, exponent))
            return sign + decimal_write(digits, exponent, out + sign);
    }
    return float_write_slow(value, out);
}
