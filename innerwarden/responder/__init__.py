# SPDX-License-Identifier: Apache-2.0
"""The root helper: a fixed set of verbs, judged again, journaled, undone in time. See docs/responder.md."""
