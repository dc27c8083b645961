# SPDX-License-Identifier: Apache-2.0
"""Whom triage may ask outside of this host: all of it is off until the operator switches it on."""
