# SPDX-License-Identifier: Apache-2.0
"""One login page, failures from many addresses, hardly a success: leaked passwords are tried."""

from innerwarden.sdk import Detector, DetectorSpec, Event, EventCount, Finding, Severity, ValueCount

spec = DetectorSpec(
    id="web_credential_stuffing",
    title="Leaked passwords are tried at a web application from many addresses",
    severity=Severity.MEDIUM,
    kinds=("web.request",),
    group_key=("http_host", "url_path"),
    cooldown_s=3600,
    attack=("T1110.004",),
    summary="Logins at {url_path} fail from {count} addresses within {window_s} seconds, and hardly one succeeds.",
    parameters={"window_s": 600, "addresses_count": 20, "failed_pct": 90},
    checks=(
        "See whose logins succeeded meanwhile, and ask them",
        "Ask for a second factor or a proof of work at {url_path} while it lasts",
    ),
    blind_spots=(
        "Applications whose status does not tell a failure from a success",
        "Fewer addresses than the threshold within the window",
    ),
    false_positives=("A login service that is broken: then everybody fails",),
    tags=("attack.credential-access",),
    maturity="test",
)

prefilter = """
login_page:
  http_method: POST
  url_path|contains: [login, signin, sign_in, logon, /auth, /session, /token]
condition: login_page
"""

FAILED = (400, 401, 403, 422, 429)


class WebCredentialStuffing(Detector):
    """Compares with the successes of the same page and time: people mistype too, but most of them get in."""

    def __init__(self, parameters):
        super().__init__(parameters)
        window_s = self.parameters["window_s"]
        self.sources = ValueCount(window_s)
        self.failures = EventCount(window_s)
        self.successes = EventCount(window_s)

    def process(self, event: Event) -> Finding | None:
        page, status = (event.field("http_host"), event.field("url_path")), event.field("http_status")
        wordpress = str(page[1]).endswith("/wp-login.php")
        if status not in FAILED and not (wordpress and status == 200):
            self.successes.add(page, event.ts_ns)
            return None
        failures = self.failures.add(page, event.ts_ns)
        count = self.sources.add(page, event.field("src_ip"), event.ts_ns)
        if count < self.parameters["addresses_count"]:
            return None
        successes = self.successes.count(page, event.ts_ns)
        if failures * 100 < (failures + successes) * self.parameters["failed_pct"]:
            return None
        self.sources.forget(page)
        return Finding(count=count)
