# SPDX-License-Identifier: Apache-2.0
# distutils: language = c++
# distutils: libraries = re2
"""Regular expressions in linear time: RE2, which Debian ships as libre2 on every architecture.

Measured beside its peers on Debian 12 (two virtual cores) with a hundred patterns of the shapes that rules have, on
command lines of 136 bytes, in ns a text and pattern: RE2 255, Hyperscan 45 one by one and 4 as one database, Python's re
23,000, whose time is not linear. RE2 is taken because the text that a pattern needs decides first whether it is run at
all (grams.pyx), so that few are, and because Hyperscan takes 2 to 3 ms to compile a pattern, which a thousand rules
would pay at every start, RE2 0.07; its library has 10 MB and one architecture, RE2's half a megabyte and all. RE2's own
sets share one automaton, which a few wide patterns use up; then a set gives no answer. Row 9 of the benchmarks runs RE2
beside Python's re.
"""

cdef extern from "regex.h" nogil:
    void *iw_regex_new(const char *pattern, size_t size, char *problem, size_t room)
    void iw_regex_free(void *regex)
    int iw_regex_match(const void *regex, const uint8_t *text, size_t size)


cdef bint regex_match(const void *regex, const uint8_t *text, size_t size) noexcept nogil:
    """Does the pattern occur anywhere in the text? The text must be valid UTF-8."""
    return iw_regex_match(regex, text, size)


cdef class Regex:
    """A pattern in RE2's syntax, as bytes of UTF-8. Raises ValueError with RE2's reason."""

    def __init__(self, bytes pattern not None):
        cdef char problem[160]
        if self.handle != NULL:
            raise ValueError("a pattern is compiled once")
        self.handle = iw_regex_new(pattern, len(pattern), problem, sizeof(problem))
        if self.handle == NULL:
            raise ValueError(f"regular expression {pattern.decode(errors='replace')!r}: {problem.decode(errors='replace')}")
        self.pattern = pattern

    def __dealloc__(self):
        iw_regex_free(self.handle)

    def search(self, bytes text not None):
        """Does the pattern occur in the text? Raises ValueError for text that is not UTF-8."""
        text.decode()
        return regex_match(self.handle, <const uint8_t *><const char *>text, len(text))
