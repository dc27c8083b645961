# SPDX-License-Identifier: Apache-2.0
"""What is decided about an incident: one ordered pipeline of gates, and a guard behind it. See docs/triage.md."""
