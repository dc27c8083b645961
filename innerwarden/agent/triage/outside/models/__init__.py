# SPDX-License-Identifier: Apache-2.0
"""Protocols that models are spoken to in: one file each with `build(config)`, named as `triage.model.protocol`."""
