# SPDX-License-Identifier: Apache-2.0
"""Other people's Python in processes of their own, without rights; what comes back is read as hostile."""
