# SPDX-License-Identifier: Apache-2.0
"""Failed SSH logins that stay below every threshold for one address: slow, or spread over many."""

import ipaddress

from innerwarden.sdk import Detector, DetectorSpec, Event, EventCount, Finding, Severity, ValueCount

spec = DetectorSpec(
    id="ssh_patient_guessing",
    title="SSH passwords guessed slowly or from many addresses",
    severity=Severity.MEDIUM,
    kinds=("ssh.login_failed",),
    cooldown_s=3600,
    attack=("T1110.001", "T1110.003"),
    summary="SSH logins from {src_ip} fail in a pattern that avoids attention.",
    parameters={
        "slow_window_s": 43200,
        "slow_failures_count": 20,
        "spread_window_s": 3600,
        "spread_addresses_count": 12,
        "network_window_s": 600,
        "network_failures_count": 8,
        "fast_window_s": 300,
        "fast_failures_count": 8,
    },
    checks=(
        "See whether one of these logins succeeded: innerwarden incidents --json, or `last -i`",
        "Allow only keys: PasswordAuthentication no in /etc/ssh/sshd_config",
    ),
    entities=("ip:src_ip",),
    blind_spots=(
        "Fewer failures than the thresholds within half a day",
        "Many accounts, each tried once from an address of its own",
    ),
    false_positives=("A script with an old password; people of one house behind IPv6 addresses that change",),
    tags=("attack.credential-access",),
    maturity="test",
)

prefilter = None


class SshPatientGuessing(Detector):
    """Three windows: of an address for half a day, of an IPv6 /64, and of an account over addresses.

    An address that fails fast is ssh_bruteforce's: its failures are forgotten here, so that one attack is not
    told twice.
    """

    def __init__(self, parameters):
        super().__init__(parameters)
        get = self.parameters
        self.fast = EventCount(get["fast_window_s"])
        self.slow = EventCount(get["slow_window_s"])
        self.networks = ValueCount(get["network_window_s"])
        self.accounts = ValueCount(get["spread_window_s"])

    def process(self, event: Event) -> Finding | None:
        address = event.field("src_ip")
        if not address:
            return None
        if self.fast.add(address, event.ts_ns) >= self.parameters["fast_failures_count"]:
            self.slow.forget(address)
            return None
        return self._slow(event, address) or self._network(event, address) or self._account(event, address)

    def _slow(self, event, address):
        count = self.slow.add(address, event.ts_ns)
        if count < self.parameters["slow_failures_count"]:
            return None
        self.slow.forget(address)
        return self._finding(("slow", address), count, f"{count} failures from {address} over hours")

    def _network(self, event, address):
        parsed = ipaddress.ip_address(address)
        if parsed.version != 6:
            return None
        network = str(ipaddress.ip_network((parsed, 64), strict=False))
        count = self.networks.add(network, address, event.ts_ns)
        if count < self.parameters["network_failures_count"]:
            return None
        self.networks.forget(network)
        return self._finding(("network", network), count, f"{count} addresses of the network {network}")

    def _account(self, event, address):
        user = event.field("user")
        if not user:
            return None
        count = self.accounts.add(user, address, event.ts_ns)
        if count < self.parameters["spread_addresses_count"]:
            return None
        self.accounts.forget(user)
        return self._finding(("account", user), count, f"{count} addresses tried the account {user}")

    @staticmethod
    def _finding(group, count, pattern):
        summary = f"SSH logins fail in a pattern that avoids attention: {pattern}."
        return Finding(group=group, count=count, summary=summary)
