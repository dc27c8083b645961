/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes of a text are UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF). */
#ifndef IW_UTF8_H
#define IW_UTF8_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ASCII SUBSTITUTE: what a byte that is no text is read as. One byte for one, so that a text never grows. */
#define IW_NO_TEXT 0x1A

/* Bytes of the character at `at`; 0 when none begins there. */
static inline size_t iw_utf8_character(const uint8_t *text, size_t size, size_t at)
{
    uint8_t lead = text[at], second;
    size_t length, i;

    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (size - at < length)
        return 0;
    second = text[at + 1];
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
        (lead == 0xF4 && second > 0x8F))
        return 0;
    for (i = 1; i < length; i++)
        if ((text[at + i] & 0xC0) != 0x80)
            return 0;
    return length;
}

/* Length of the longest beginning that is UTF-8. */
static inline size_t iw_utf8_valid(const uint8_t *text, size_t size)
{
    size_t at = 0, length;
    uint64_t word;

    while (at < size) {
        while (size - at >= 8) {
            memcpy(&word, text + at, 8);
            if (word & 0x8080808080808080ull)
                break;
            at += 8;
        }
        if (at == size)
            break;
        length = iw_utf8_character(text, size, at);
        if (length == 0)
            break;
        at += length;
    }
    return at;
}

/* The text with IW_NO_TEXT for every byte that is no part of a character; `to` has room for `size` bytes. */
static inline void iw_utf8_clean(uint8_t *to, const uint8_t *text, size_t size)
{
    size_t at = 0, length;

    while (at < size) {
        length = iw_utf8_character(text, size, at);
        if (length == 0) {
            to[at++] = IW_NO_TEXT;
            continue;
        }
        memcpy(to + at, text + at, length);
        at += length;
    }
}
#endif
