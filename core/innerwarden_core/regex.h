/* SPDX-License-Identifier: Apache-2.0 */
/* One regular expression of RE2. C++, because RE2 is; its callers see void pointers. */
#ifndef IW_REGEX_H
#define IW_REGEX_H
#include <stdint.h>
#include <stdio.h>

#include <new>
#include <string>

#include <re2/re2.h>

/* Upper bound for one pattern's program and the automaton that matching builds from it. When texts make the
 * automaton grow past it, RE2 goes on without one: slower, and still linear. A usual pattern takes 30 KiB. */
#define IW_REGEX_BYTES (1 << 20)

/* Instructions of a pattern's program. A text made for it can make each of them be looked at for each character: with
 * this many, a command line of 128 KiB, the longest there is, takes about 0.2 s, and with 9,000 (`.{0,1000}`) 2 s, in
 * which no other record is judged. `.` has nine, because a character of UTF-8 has up to four bytes. */
#define IW_REGEX_STEPS 2000

/* NULL, and why in `problem`, when RE2 refuses the pattern. */
static inline void *iw_regex_new(const char *pattern, size_t size, char *problem, size_t room)
{
    RE2::Options options;
    options.set_log_errors(false);
    options.set_never_capture(true);
    options.set_max_mem(IW_REGEX_BYTES);
    RE2 *regex = new (std::nothrow) RE2(re2::StringPiece(pattern, size), options);
    if (regex && regex->ok() && regex->ProgramSize() <= IW_REGEX_STEPS)
        return regex;
    if (regex && regex->ok())
        snprintf(problem, room, "%d steps for each character are more than %d", regex->ProgramSize(), IW_REGEX_STEPS);
    else
        snprintf(problem, room, "%s", regex ? regex->error().c_str() : "out of memory");
    delete regex;
    return NULL;
}

static inline void iw_regex_free(void *regex) { delete static_cast<RE2 *>(regex); }

/* Does the pattern occur in the text, which is valid UTF-8? */
static inline int iw_regex_match(const void *regex, const uint8_t *text, size_t size)
{
    re2::StringPiece piece(reinterpret_cast<const char *>(text), size);
    return static_cast<const RE2 *>(regex)->Match(piece, 0, size, RE2::UNANCHORED, NULL, 0);
}
#endif
