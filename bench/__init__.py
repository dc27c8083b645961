# SPDX-License-Identifier: Apache-2.0
"""Speed, cost and loss of what is built, each beside a peer or a limit in the same run."""
