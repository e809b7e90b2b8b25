/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/resize_tables.h - tap tables as the kernels take them, kept between
 * images. Internal to ingest/.
 *
 * Photos come in few sizes, and making a table costs as much as a tenth of using it. A
 * bounded number of tables is kept, none of them large. */
#ifndef INGEST_IMAGE_RESIZE_TABLES_H
#define INGEST_IMAGE_RESIZE_TABLES_H

#include "ingest/image/resize_axis.h"

struct resize_tables;

/* Gives *out, whose tables are packed for `kernels`. Returns INGEST_OK or INGEST_ENOMEM.
 */
int resize_tables_open(struct resize_tables **out, const struct resize_kernels *kernels);

const struct resize_kernels *resize_tables_kernels(const struct resize_tables *t);

/* Finds or makes a table. *out is lent until the next call but one, or until
 * resize_tables_trim(). Returns INGEST_OK or INGEST_ENOMEM. */
int resize_tables_get(struct resize_tables *t, const struct resize_span *span,
                      enum resize_filter filter, const struct resize_blocks **out);

/* Drops large tables. */
void resize_tables_trim(struct resize_tables *t);

/* Accepts NULL. */
void resize_tables_close(struct resize_tables *t);

#endif
