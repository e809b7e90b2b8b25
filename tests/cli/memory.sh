# SPDX-License-Identifier: Apache-2.0
# A few of the failed allocations that `make check-memory` tries: none loses anything in silence.
. tests/cli/expect.sh

run python3 tests/faults/allocations.py --every 50
expect_status 0
expect_match stdout '^14 passed, 0 failed, 0 skipped$'
