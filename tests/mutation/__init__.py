# SPDX-License-Identifier: Apache-2.0
"""How well the recorded cases of the detectors hold them: small faults are made, and the cases must notice."""
