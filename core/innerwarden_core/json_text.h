/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and texts as JSON. Every function appends at `to` and returns the place behind; room is the caller's care. */
#ifndef IW_JSON_TEXT_H
#define IW_JSON_TEXT_H
#include "utf8.h"

/* Bytes that one byte of text may become: \u00XX, or \\xXX for a byte that is no UTF-8. */
#define IW_JSON_GROWTH 6
#define IW_JSON_NUMBER 20

static const char iw_hex_digits[16] = "0123456789abcdef";

static inline char *iw_json_number(char *to, uint64_t number)
{
    static const char pairs[201] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051"
        "525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    char digits[IW_JSON_NUMBER];
    int at = IW_JSON_NUMBER;

    while (number >= 100) {
        at -= 2;
        memcpy(digits + at, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + number * 2, 2);
    } else {
        digits[--at] = (char)('0' + number);
    }
    memcpy(to, digits + at, (size_t)(IW_JSON_NUMBER - at));
    return to + IW_JSON_NUMBER - at;
}

/* Has the word a byte that JSON does not take as it is: below 0x20, a quote, a backslash, or above ASCII? */
static inline uint64_t iw_json_odd(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
    uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';

    return ((word - ones * 0x20) | (quote - ones) | (slash - ones) | word) & tops;
}

/* One byte of ASCII that needs an escape. */
static inline char *iw_json_escape(char *to, uint8_t byte)
{
    *to++ = '\\';
    if (byte == '"' || byte == '\\') {
        *to++ = (char)byte;
    } else {
        memcpy(to, "u00", 3);
        to[3] = iw_hex_digits[byte >> 4];
        to[4] = iw_hex_digits[byte & 15];
        to += 5;
    }
    return to;
}

/* A text in quotes. Bytes that are no UTF-8 read \xNN, as everywhere else in what people see. */
static inline char *iw_json_text(char *to, const uint8_t *text, size_t size)
{
    size_t at = 0, length;
    uint64_t word;

    *to++ = '"';
    while (at < size) {
        while (size - at >= 8) {
            memcpy(&word, text + at, 8);
            if (iw_json_odd(word))
                break;
            memcpy(to, &word, 8);
            to += 8;
            at += 8;
        }
        if (at == size)
            break;
        length = iw_utf8_character(text, size, at);
        if (length == 0) {
            memcpy(to, "\\\\x", 3);
            to[3] = iw_hex_digits[text[at] >> 4];
            to[4] = iw_hex_digits[text[at] & 15];
            to += 5;
            at++;
        } else if (length == 1 && (text[at] < 0x20 || text[at] == '"' || text[at] == '\\')) {
            to = iw_json_escape(to, text[at++]);
        } else {
            memcpy(to, text + at, length);
            to += length;
            at += length;
        }
    }
    *to++ = '"';
    return to;
}

#endif
