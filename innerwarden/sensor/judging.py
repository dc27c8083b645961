# SPDX-License-Identifier: Apache-2.0
"""What judges a recorded or recording stream: modules, engine and detection host, set up as the sensor's are."""

from __future__ import annotations

import time

from innerwarden_core import Engine, Hit

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.model.finding import Finding
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.loader import Live, ModuleSet, load_modules
from innerwarden.modules.state import read as read_state
from innerwarden.sensor.detection.host import DetectionHost, acting_rules_of
from innerwarden.sensor.losses import LossLedger
from innerwarden.sensor.threat_lists import ThreatLists


class Judge:
    """`close` it: detectors of other people's modules run in processes of their own."""

    def __init__(self, config: Config, *, host_name: str, boot_to_realtime_ns: int) -> None:
        self._workers = Workers()
        try:
            live = Live(state=read_state(paths.module_state()), workers=self._workers)
            self.modules: ModuleSet = load_modules(paths.modules_dirs(), config, live=live)
            self._workers.commit(self.modules.specs, self.modules.remote)
            self.engine = Engine(
                process_entries=config.sensor.process_entries,
                window_keys=config.sensor.window_keys,
                boot_to_realtime_ns=boot_to_realtime_ns,
            )
            self.engine.configure(self.modules.rules, self.modules.correlations, self.modules.natives)
            ThreatLists(config.threat_lists, self.engine).tick(time.monotonic())
            self.losses = LossLedger()
            remote = self._workers.asked(self.modules.specs, self.modules.remote)
            self._host = DetectionHost(
                self.modules.specs,
                self.engine,
                host_name=host_name,
                boot_to_realtime_ns=boot_to_realtime_ns,
                python={**self.modules.python, **remote},
                blind=self.losses.sentences,
                acting_rules=acting_rules_of(self.modules.compiled_correlations),
            )
        except BaseException:
            self._workers.close()
            raise

    def findings(self, hits: list[Hit]) -> list[Finding]:
        """Of one batch; see DetectionHost."""
        return self._host.findings(hits)

    def close(self) -> None:
        self._workers.close()
