# SPDX-License-Identifier: Apache-2.0
"""Rules as flat arrays, and the walk over them for one record: no allocation, no Python."""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from innerwarden_core.anchors import Finder, plan
from innerwarden_core.evaluate cimport number_predicate, predicate_true
from innerwarden_core.fields cimport IW_SHAPE_STR, IW_SHAPE_U64
from innerwarden_core.grams cimport (
    exact_build, exact_free, exact_look, grams_build, grams_free, grams_scan, iw_candidates,
)
from innerwarden_core.regex cimport Regex
from innerwarden_core.rules cimport MATCH, NO_MATCH, OP_BIT_ANY, OP_EQ, Predicate, Rule
from innerwarden_core.spot cimport spot_number, spot_of
from innerwarden_core.text cimport iw_mix
from innerwarden_core.view cimport view_folded, view_get



cdef inline bint rule_true(iw_program *program, const iw_rule *rule, iw_view *view) noexcept nogil:
    cdef const iw_node *nodes = program.nodes + rule.first
    cdef const iw_predicate *predicate
    cdef uint64_t *memory
    cdef int32_t at = 0
    cdef bint result
    # PERF: without a branch on the outcome, which nobody can foresee. Row 2 of the benchmarks.
    if rule.plain:
        return spot_number(view.header, rule.spot) & rule.mask == rule.wanted
    while at >= 0:
        predicate = program.predicates + nodes[at].predicate
        if OP_EQ <= predicate.op <= OP_BIT_ANY:
            result = number_predicate(predicate, program.literals, view)
        elif predicate.shared:
            memory = program.remembered + nodes[at].predicate
            if memory[0] >> 1 != view.stamp:
                memory[0] = view.stamp << 1 | predicate_true(predicate, program.literals, view)
            result = memory[0] & 1
        else:
            result = predicate_true(predicate, program.literals, view)
        at = nodes[at].on_true if result else nodes[at].on_false
    return at == MATCH


cdef void sort(uint32_t *list, uint32_t count) noexcept nogil:
    """Insertion sort: a record matches few rules."""
    cdef uint32_t i, j, item
    for i in range(1, count):
        item = list[i]
        j = i
        while j > 0 and list[j - 1] > item:
            list[j] = list[j - 1]
            j -= 1
        list[j] = item


cdef uint32_t program_match(iw_program *program, iw_view *view) noexcept nogil:
    """Fill `matches` with the indexes of the rules that match, ascending; returns their number."""
    cdef const iw_dispatch *kind = &program.kinds[view.header.kind]
    cdef iw_candidates candidates
    cdef const iw_index *index
    cdef const iw_value *value
    cdef uint32_t i, rule, kept = 0
    candidates.stamps = program.stamps
    candidates.stamp = view.stamp
    candidates.list = program.matches
    candidates.count = 0
    for i in range(kind.index_first, kind.index_first + kind.index_count):
        index = &program.indexes[i]
        if index.exact.mask:
            value = view_get(view, index.field)
            if value.shape == IW_SHAPE_U64:
                exact_look(&index.exact, value.number, &candidates)
            continue
        value = view_folded(view, index.field)
        if value.shape == IW_SHAPE_STR:
            grams_scan(&index.wide, value.data, value.size, &candidates)
            if index.narrow.entry_count:
                grams_scan(&index.narrow, value.data, value.size, &candidates)
    # A candidate that matches stays in the list, in front of those not yet looked at.
    for i in range(candidates.count):
        rule = program.matches[i]
        if rule_true(program, &program.rules[rule], view):
            program.matches[kept] = rule
            kept += 1
    for i in range(kind.always_first, kind.always_first + kind.always_count):
        rule = program.always[i]
        program.matches[kept] = rule
        kept += rule_true(program, &program.rules[rule], view)
    if candidates.count and not (kind.index_count == 1 and kind.always_count == 0
                                 and program.indexes[kind.index_first].exact.mask):
        sort(program.matches, kept)  # a number's rules alone are in order already
    return kept


cdef void group_hash(iw_program *program, iw_view *view, iw_group *group, uint64_t seed) noexcept nogil:
    """An empty group is the acting process."""
    cdef const iw_value *value
    cdef uint32_t i
    group.complete = 1
    group.hash = seed
    if group.count == 0:
        group.hash = iw_mix(iw_mix(view.header.start_ns ^ seed) ^ view.header.pid)
    for i in range(group.first, group.first + group.count):
        value = view_get(view, program.group_fields[i])
        if value.shape == 0:
            group.complete = 0
        # The first value's hash is the second one's seed, so the order matters.
        group.hash = hash_value(value, group.hash)


cdef int make_plain(iw_rule *target, Rule source) except -1:
    """Note whether one look at the header decides the rule."""
    cdef Predicate test
    if not source.nodes:
        target.plain = 1
        return 0
    first, on_true, on_false = source.nodes[0]
    test = source.predicates[first]
    if test.operator != OP_EQ or len(test.literals) != 1 or (on_true, on_false) != (MATCH, NO_MATCH):
        return 0
    target.spot = spot_of(test.field)
    target.plain = target.spot.size != 0
    target.mask = <uint64_t>-1
    target.wanted = test.literals[0]
    return 0


cdef class Program:
    """The compiled form of rules; `bindings` say which windows a rule feeds.

    `bindings`: rule owner -> [(window, step, group-by fields)].
    """

    def __cinit__(self):
        memset(&self.program, 0, sizeof(iw_program))

    def __init__(self, list rules not None, dict bindings not None, owner_hash):
        cdef uint32_t i
        self.owners, self._owner_ids, self._groups = [], {}, {}
        self._group_fields, self._keep = [], []
        self.program.rule_count = len(rules)
        self._predicates(rules)
        self._rules(rules, bindings, owner_hash)
        self._dispatch(rules)
        self.program.groups = <iw_group *>self.array(len(self._groups), sizeof(iw_group))
        self.program.group_fields = <uint32_t *>self.array(len(self._group_fields), sizeof(uint32_t))
        for fields, number in self._groups.items():
            first, i = number
            self.program.groups[i].first = first
            self.program.groups[i].count = len(fields)
            if len(fields) == 1:
                self.program.groups[i].spot = spot_of(fields[0])
        for i in range(<uint32_t>len(self._group_fields)):
            self.program.group_fields[i] = self._group_fields[i]

    def __dealloc__(self):
        cdef uint32_t i
        cdef iw_program *p = &self.program
        for i in range(p.index_count):
            grams_free(&p.indexes[i].wide)
            grams_free(&p.indexes[i].narrow)
            exact_free(&p.indexes[i].exact)
        free(p.literals)
        free(p.predicates)
        free(p.remembered)
        free(p.nodes)
        free(p.rules)
        free(p.stamps)
        free(p.matches)
        free(p.always)
        free(p.bindings)
        free(p.groups)
        free(p.group_fields)
        free(p.indexes)

    cdef void *array(self, size_t count, size_t size) except NULL:
        cdef void *memory = calloc(count + 1, size)
        if memory == NULL:
            raise MemoryError()
        return memory

    cdef uint32_t owner_id(self, str owner) except? 0xFFFFFFFF:
        if owner not in self._owner_ids:
            self._owner_ids[owner] = len(self.owners)
            self.owners.append(owner)
        return self._owner_ids[owner]

    cdef uint32_t group_id(self, tuple fields) except? 0xFFFFFFFF:
        if fields not in self._groups:
            self._groups[fields] = (len(self._group_fields), len(self._groups))
            self._group_fields.extend(fields)
        return self._groups[fields][1]

    def _predicates(self, rules):
        """Equal predicates of different rules become one."""
        cdef Predicate source
        cdef iw_predicate *target
        cdef uint32_t filled = 0
        self._numbers = {}
        distinct, literals = [], 0
        for rule in rules:
            for source in rule.predicates:
                if source.key in self._numbers:
                    self._numbers[source.key][1] += 1
                    continue
                self._numbers[source.key] = [len(distinct), 1]
                distinct.append(source)
                literals += len(source.literals)
        self.program.literals = <iw_literal *>self.array(literals, sizeof(iw_literal))
        self.program.predicates = <iw_predicate *>self.array(len(distinct), sizeof(iw_predicate))
        self.program.remembered = <uint64_t *>self.array(len(distinct), sizeof(uint64_t))
        for number, source in enumerate(distinct):
            target = &self.program.predicates[<uint32_t>number]
            target.field = source.field
            target.spot = spot_of(source.field)
            target.op = source.operator
            target.cased = source.cased
            target.shared = self._numbers[source.key][1] > 1
            target.first = filled
            target.count = len(source.literals)
            for literal in source.literals:
                self._literal(filled, literal)
                filled += 1

    def _literal(self, uint32_t index, value):
        cdef iw_literal *target = &self.program.literals[index]
        if isinstance(value, int):
            target.number = value
            return
        if isinstance(value, Regex):
            self._keep.append(value)
            target.data = <const uint8_t *>(<Regex>value).handle
            return
        data, size = value if isinstance(value, tuple) else (value, len(value))
        self._keep.append(data)
        target.data = <const uint8_t *><const char *><bytes>data
        target.size = size

    def _rules(self, rules, bindings, owner_hash):
        cdef Rule source
        cdef iw_rule *target
        cdef uint32_t node = 0, binding = 0
        cdef iw_program *p = &self.program
        p.rules = <iw_rule *>self.array(len(rules), sizeof(iw_rule))
        p.stamps = <uint64_t *>self.array(len(rules), sizeof(uint64_t))
        p.matches = <uint32_t *>self.array(len(rules), sizeof(uint32_t))
        p.nodes = <iw_node *>self.array(sum(len(r.nodes) for r in rules), sizeof(iw_node))
        total = sum(len(bindings.get(r.owner, ())) for r in rules)
        p.bindings = <iw_binding *>self.array(total, sizeof(iw_binding))
        for number, source in enumerate(rules):
            target = &p.rules[<uint32_t>number]
            target.owner = self.owner_id(source.owner)
            target.owner_hash = owner_hash(source.owner)
            target.emit = source.emit
            make_plain(target, source)
            target.cooldown_ns = source.cooldown_ns
            target.group = self.group_id(source.group_by)
            target.first = node
            for predicate, on_true, on_false in source.nodes:
                p.nodes[node].predicate = self._numbers[source.predicates[predicate].key][0]
                p.nodes[node].on_true = on_true
                p.nodes[node].on_false = on_false
                node += 1
            target.binding_first = binding
            for window, step, fields in bindings.get(source.owner, ()):
                p.bindings[binding].window = window
                p.bindings[binding].step = step
                p.bindings[binding].group = self.group_id(fields)
                binding += 1
            target.binding_count = binding - target.binding_first

    def _dispatch(self, rules):
        """Per kind: rules that are always looked at, and for the others one index per field."""
        cdef uint32_t filled = 0
        cdef iw_dispatch *target
        cdef iw_index *index
        cdef iw_program *p = &self.program
        by_kind = {}
        for number, rule in enumerate(rules):
            for kind in dict.fromkeys(rule.kinds):
                by_kind.setdefault(kind, []).append(number)
        find = Finder(rules)
        plans = {
            kind: plan(numbers, {number: find(number, kind) for number in numbers}) for kind, numbers in by_kind.items()
        }
        p.always = <uint32_t *>self.array(sum(len(a) for a, _ in plans.values()), sizeof(uint32_t))
        p.indexes = <iw_index *>self.array(sum(len(f) for _, f in plans.values()), sizeof(iw_index))
        for kind, (always, fields) in plans.items():
            target = &p.kinds[<uint32_t>kind]
            target.always_first = filled
            target.always_count = len(always)
            for number in always:
                p.always[filled] = number
                filled += 1
            target.index_first = p.index_count
            target.index_count = len(fields)
            for field, literals in fields.items():
                index = &p.indexes[p.index_count]
                p.index_count += 1
                index.field = field
                if isinstance(next(iter(literals))[0], int):  # a field holds numbers or text, never both
                    exact_build(&index.exact, list(literals.items()))
                    continue
                grams_build(&index.wide, 4, [x for x in literals.items() if len(x[0][0]) >= 4])
                grams_build(&index.narrow, 2, [x for x in literals.items() if len(x[0][0]) < 4])
