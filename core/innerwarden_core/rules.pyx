# SPDX-License-Identifier: Apache-2.0
"""What a caller hands to Engine.configure: checked, immutable definitions. program.pyx compiles them."""

import ipaddress

from innerwarden_core.fields cimport (
    IW_DERIVED_DNS_ENCODED_COUNT, IW_DERIVED_PARENT_UID, IW_DERIVED_SRC_NETWORK, IW_FIELD_ARGV, IW_FIELD_CGROUP_PATH,
    IW_FIELD_COUNT, IW_FIELD_CWD, IW_FIELD_EXE_PATH, IW_FIELD_TOTAL, IW_KIND_TOP,
    IW_SHAPE_COMM, IW_SHAPE_IP,
    IW_SHAPE_STR, iw_field_name, iw_fixed_size, iw_place,
)

from innerwarden_core.regex cimport Regex

FIELDS = {iw_field_name(i).decode(): i for i in range(IW_FIELD_COUNT)}
DERIVED = (
    "command_line", "exe_name", "parent_exe_path", "parent_command_line", "parent_comm", "parent_uid",
    "parent_exe_name", "grandparent_exe_path", "file_name", "kind_name", "container_id", "container_runtime", "pod_uid",
    *(f"arg{number}" for number in range(10)),
    "tls_ja3", "tls_ja4", "dns_domain", "dns_encoded_count", "threat_list", "threat_indicator",
    "src_network",
)
DERIVED_NUMBERS = (IW_DERIVED_PARENT_UID, IW_DERIVED_DNS_ENCODED_COUNT)
FIELDS.update({name: IW_FIELD_COUNT + i for i, name in enumerate(DERIVED)})
if len(FIELDS) != IW_FIELD_TOTAL:
    raise ImportError("derived fields: their names and their ids differ in number")

OPERATORS = {
    "equals": OP_EQUALS, "contains": OP_CONTAINS, "startswith": OP_STARTSWITH, "endswith": OP_ENDSWITH,
    "glob": OP_GLOB, "cidr": OP_CIDR, "exists": OP_EXISTS, "is_null": OP_IS_NULL, "eq": OP_EQ, "ne": OP_NE,
    "lt": OP_LT, "le": OP_LE, "gt": OP_GT, "ge": OP_GE, "bit_all": OP_BIT_ALL, "bit_any": OP_BIT_ANY,
    "field_equals": OP_FIELD_EQUALS, "field_contains": OP_FIELD_CONTAINS, "field_startswith": OP_FIELD_STARTSWITH,
    "field_endswith": OP_FIELD_ENDSWITH, "re": OP_RE,
}
FIELD_NAMES = {number: name for name, number in FIELDS.items()}
OPERATOR_NAMES = {number: name for name, number in OPERATORS.items()}

CORRELATION_KINDS = ("event_count", "value_count", "temporal", "temporal_ordered")
CONDITIONS = ("gt", "ge", "lt", "le", "eq", "ne")
MAX_STEPS = 16          # rules of one temporal correlation
MAX_VALUES = 1024       # threshold of value_count: that many hashes are kept per key
MAX_COUNT = 1 << 24     # threshold of event_count
MAX_LITERAL = 65536     # bytes of one literal


def field_shape(int field):
    """"text", "ip" or "number": what the field holds in every kind that has it."""
    cdef uint32_t kind
    if field >= IW_FIELD_COUNT:
        if field == IW_DERIVED_SRC_NETWORK:
            return "ip"
        return "number" if field in DERIVED_NUMBERS else "text"
    for kind in range(IW_KIND_TOP + 1):
        shape = iw_place(kind, field).shape
        if shape:
            if shape == IW_SHAPE_IP:
                return "ip"
            return "text" if shape in (IW_SHAPE_STR, IW_SHAPE_COMM) else "number"
    raise ValueError(f"no record kind has field {field}")


def has_field(int kind, int field):
    """Can a record of the kind have the field: of its own, of its process, or as what follows from those?"""
    if field >= IW_FIELD_COUNT or iw_place(kind, field).shape:
        return True
    return field in (IW_FIELD_EXE_PATH, IW_FIELD_ARGV, IW_FIELD_CWD, IW_FIELD_CGROUP_PATH)


def check_field(field, what):
    if not isinstance(field, int) or not 0 <= field < IW_FIELD_TOTAL:
        raise ValueError(f"{what} {field!r} is not a field id; see FIELDS")
    return field


cdef tuple address(object literal):
    """Text of an address or network -> (16 bytes, prefix length), v4 in v4-mapped form."""
    if not isinstance(literal, bytes):
        raise ValueError(f"{literal!r} is not an address as bytes")
    network = ipaddress.ip_network(literal.decode("ascii", "replace"), strict=False)
    packed = network.network_address.packed
    if network.version == 4:
        return b"\0" * 10 + b"\xff\xff" + packed, network.prefixlen + 96
    return packed, network.prefixlen


cdef object number(object literal):
    if not isinstance(literal, int) or not 0 <= literal < 1 << 64:
        raise ValueError(f"{literal!r} is not a number from 0 to 2^64-1")
    return int(literal)


cdef object text(object literal, bint cased):
    if not isinstance(literal, bytes):
        raise ValueError(f"{literal!r} is not bytes")
    if len(literal) > MAX_LITERAL:
        raise ValueError(f"a literal of {len(literal)} bytes is longer than {MAX_LITERAL}")
    return literal if cased else literal.lower()


cdef class Predicate:
    """One test on one field; `literals` are alternatives."""

    def __init__(self, field, operator, literals, cased=False, needs=()):
        name = OPERATOR_NAMES.get(operator)
        if name is None:
            raise ValueError(f"{operator!r} is not an operator code; see OPERATORS")
        self.field = check_field(field, "field")
        shape = field_shape(field)
        where = f"{FIELD_NAMES[field]} {name}"
        self.cased = cased
        if shape == "number" and operator == OP_EQUALS:
            operator = OP_EQ
        self.operator = operator
        try:
            self.literals = self._convert(operator, shape, tuple(literals))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if not self.literals and operator not in (OP_EXISTS, OP_IS_NULL):
            raise ValueError(f"{where}: needs at least one literal")
        self.needs = tuple(text(x, False) for x in needs) if operator == OP_RE else ()
        shown = tuple((<Regex>x).pattern for x in self.literals) if operator == OP_RE else self.literals
        self.key = (self.field, self.operator, shown, self.cased)

    def _convert(self, operator, shape, literals):
        if operator in (OP_EXISTS, OP_IS_NULL):
            return ()
        if OP_FIELD_EQUALS <= operator <= OP_FIELD_ENDSWITH:
            if operator != OP_FIELD_EQUALS and shape != "text":
                raise ValueError(f"a text test on a field that holds {shape}")
            for other in literals:
                if field_shape(check_field(other, "other field")) != shape:
                    raise ValueError(f"{FIELD_NAMES[other]} holds no {shape}")
            return literals
        if operator == OP_RE:
            if shape != "text":
                raise ValueError(f"a regular expression on a field that holds {shape}")
            return tuple(Regex(text(x, True)) for x in literals)
        if operator >= OP_EQ:
            if shape != "number":
                raise ValueError(f"a number test on a field that holds {shape}")
            return tuple(number(x) for x in literals)
        if operator == OP_CIDR or (shape == "ip" and operator == OP_EQUALS):
            if shape != "ip":
                raise ValueError(f"an address test on a field that holds {shape}")
            self.operator = OP_CIDR
            return tuple(address(x) for x in literals)
        if shape != "text":
            raise ValueError(f"a text test on a field that holds {shape}")
        return tuple(text(x, self.cased) for x in literals)


cdef class Rule:
    """A decision graph over predicates; see the interface file for the form of `nodes`."""

    def __init__(self, str owner not None, kinds, predicates, nodes, *, group_by=(), cooldown_ns=0, emit=True):
        self.owner = owner
        self.kinds = tuple(kinds)
        self.predicates = tuple(predicates)
        self.nodes = tuple(tuple(node) for node in nodes)
        self.group_by = tuple(check_field(field, "group_by field") for field in group_by)
        self.cooldown_ns = cooldown_ns
        self.emit = emit
        for kind in self.kinds:
            if not isinstance(kind, int) or kind < 0 or iw_fixed_size(kind) == 0:
                raise ValueError(f"rule {owner}: {kind!r} is not a record kind")
        for predicate in self.predicates:
            if not isinstance(predicate, Predicate):
                raise ValueError(f"rule {owner}: {predicate!r} is not a Predicate")
        self._check_nodes()
        self.key = (self.kinds, tuple(predicate.key for predicate in self.predicates), self.nodes, self.group_by)

    def _check_nodes(self):
        count = len(self.nodes)
        if count > MAX_NODES:
            raise ValueError(f"rule {self.owner}: {count} nodes; at most {MAX_NODES} are possible")
        for i, node in enumerate(self.nodes):
            if len(node) != 3:
                raise ValueError(f"rule {self.owner}: node {i} is not (predicate, on_true, on_false)")
            if not 0 <= node[0] < len(self.predicates):
                raise ValueError(f"rule {self.owner}: node {i} names predicate {node[0]}, which is missing")
            for target in node[1:]:
                if target not in (MATCH, NO_MATCH) and not i < target < count:
                    raise ValueError(f"rule {self.owner}: node {i} has the backward or missing target {target}")


cdef class Correlation:
    """A Sigma correlation over rules by owner id."""

    def __init__(self, str owner not None, str kind not None, rules, group_by, timespan_ns, *, operator="ge",
                 threshold=1, value_field=-1, sample_field=-1, cooldown_ns=0):
        self.owner = owner
        self.kind = kind
        self.rules = tuple(rules)
        self.group_by = tuple(tuple(check_field(f, "group_by field") for f in group) for group in group_by)
        if not 0 < timespan_ns < 1 << 62:
            raise ValueError(f"correlation {owner}: timespan_ns {timespan_ns} is not positive")
        self.timespan_ns = timespan_ns
        self.operator = operator
        if not 0 <= threshold <= MAX_COUNT:
            raise ValueError(f"correlation {owner}: threshold {threshold} is not in 0..{MAX_COUNT}")
        if kind.startswith("temporal") and threshold == 1:
            threshold = len(self.rules)
        self.threshold = threshold
        self.value_field = -1 if value_field == -1 else check_field(value_field, "value_field")
        self.sample_field = -1 if sample_field == -1 else check_field(sample_field, "sample_field")
        self.cooldown_ns = cooldown_ns
        self.key = (kind, self.rules, self.group_by, self.timespan_ns, operator, threshold, self.value_field,
                    self.sample_field)
        self._check()

    def _check(self):
        where = f"correlation {self.owner}"
        if self.kind not in CORRELATION_KINDS:
            raise ValueError(f"{where}: kind {self.kind!r} is none of {', '.join(CORRELATION_KINDS)}")
        if self.operator not in CONDITIONS:
            raise ValueError(f"{where}: operator {self.operator!r} is none of {', '.join(CONDITIONS)}")
        if not self.rules or len(self.group_by) != len(self.rules):
            raise ValueError(f"{where}: needs rules, and one group_by for each")
        if len({len(group) for group in self.group_by}) != 1:
            raise ValueError(f"{where}: every rule's group_by needs as many fields as the others'")
        if self.kind == "value_count":
            if self.value_field < 0:
                raise ValueError(f"{where}: value_count needs a value_field")
            if self.threshold > MAX_VALUES:
                raise ValueError(f"{where}: value_count counts to {MAX_VALUES}, not to {self.threshold}")
        if self.kind.startswith("temporal"):
            if len(self.rules) > MAX_STEPS:
                raise ValueError(f"{where}: {len(self.rules)} rules are more than {MAX_STEPS}")
            if self.operator != "ge" or self.threshold > len(self.rules):
                raise ValueError(f"{where}: wants {self.operator} {self.threshold} of {len(self.rules)} rules")
            if self.kind == "temporal_ordered" and self.threshold != len(self.rules):
                raise ValueError(f"{where}: an order needs every rule")


cdef class NativeDetector:
    """A registered native detector by id, with its parameters."""

    def __init__(self, str owner not None, str detector not None, parameters):
        from innerwarden_core.detectors import NATIVE_DETECTORS

        if detector not in NATIVE_DETECTORS:
            raise ValueError(f"no native detector {detector!r}; there is {', '.join(NATIVE_DETECTORS)}")
        defaults = NATIVE_DETECTORS[detector]
        for name, value in parameters.items():
            if name not in defaults:
                raise ValueError(f"{detector} has no parameter {name!r}; it has {', '.join(defaults)}")
            if not isinstance(value, int) or not 0 <= value < 1 << 31:
                raise ValueError(f"{detector}: {name}={value!r} is not a number from 0 to 2^31-1")
        self.owner = owner
        self.detector = detector
        self.parameters = {**defaults, **parameters}
