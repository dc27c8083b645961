# SPDX-License-Identifier: Apache-2.0
"""Guessed passwords, then a login, then something that survives a reboot

ATT&CK: T1110, T1078, then T1053.003, T1543.002, T1098.004 or T1136.
."""

from innerwarden.agent.correlate.rule import ChainRule, Join, Step
from innerwarden.model.severity import Severity

RULE = ChainRule(
    id="brute_force_login_persistence",
    title="Password guessing succeeded and the intruder made access permanent",
    severity=Severity.CRITICAL,
    window_s=6 * 3600,
    steps=(
        Step(
            name="password guessing",
            detectors=frozenset({"ssh_bruteforce", "credential_stuffing"}),
            join=(Join.IP,),
        ),
        Step(
            name="login after the failures",
            detectors=frozenset({"login_after_failures"}),
            join=(Join.IP,),
        ),
        Step(
            name="persistence",
            detectors=frozenset(
                {
                    "cron_persistence",
                    "systemd_persistence",
                    "authorized_keys_change",
                    "shell_startup_change",
                    "ld_preload_change",
                    "user_created",
                    "password_file_change",
                }
            ),
            join=(Join.USER, Join.PROCESS),
        ),
    ),
    checks=(
        "End the session of this user and change the password before anything else",
        "Compare the crontabs, units, authorized_keys and accounts with a known good state",
    ),
    blind_spots=(
        "Guessing spread over more addresses than the single-address detectors see",
        "Persistence made by a process that carries neither the user nor the login uid of the session",
    ),
    false_positives=(
        "An administrator who mistypes a password many times, then logs in and edits a crontab",
    ),
)
