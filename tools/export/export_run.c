/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export/export_run.h"

#include <stdio.h>

#include "tools/cli/exit_code.h"

void export_progress_end(struct export_run *run)
{
    parallel_progress_end(&run->work);
}
