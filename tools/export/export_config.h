/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_config.h - DIR/export.json, which all units of a folder share. */
#ifndef TOOLS_EXPORT_EXPORT_CONFIG_H
#define TOOLS_EXPORT_EXPORT_CONFIG_H

#include "tools/export/export_run.h"

/* Writes DIR/export.json, or compares with the one that is there. `models`: as
 * export_models.h says. Returns 0 or an exit code after explaining. */
int export_config_claim(const struct export_run *run, const json_t *models);

#endif
