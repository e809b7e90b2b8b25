/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/encode_jpeg.c - make the JPEGs that other encoders do not.
 *
 *     encode_jpeg WIDTH HEIGHT CHANNELS SAMPLING [progressive] [arithmetic] [ycck]
 * [restart] [scans]
 *
 * Raw pixels of 8 bits a channel (1: grey, 3: RGB, 4: CMYK) on stdin, the file on stdout.
 * SAMPLING is the first component's, 1x2 is 4:4:0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

static int to_int(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

/* Each component in a scan of its own, all of its coefficients at once. */
static void use_a_scan_each(struct jpeg_compress_struct *cinfo)
{
    static jpeg_scan_info scans[4];

    for (int c = 0; c < cinfo->num_components; c++)
        scans[c] = (jpeg_scan_info){1, {c}, 0, DCTSIZE2 - 1, 0, 0};
    cinfo->scan_info = scans;
    cinfo->num_scans = cinfo->num_components;
}

static void set_options(struct jpeg_compress_struct *cinfo, int argc, char **argv)
{
    for (int i = 5; i < argc; i++) {
        if (strcmp(argv[i], "progressive") == 0)
            jpeg_simple_progression(cinfo);
        else if (strcmp(argv[i], "arithmetic") == 0)
            cinfo->arith_code = TRUE;
        else if (strcmp(argv[i], "ycck") == 0)
            jpeg_set_colorspace(cinfo, JCS_YCCK);
        else if (strcmp(argv[i], "restart") == 0)
            cinfo->restart_in_rows = 1;
        else if (strcmp(argv[i], "scans") == 0)
            use_a_scan_each(cinfo);
    }
}

int main(int argc, char **argv)
{
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors; /* libjpeg's own: prints and exits */

    if (argc < 5)
        return 2;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_stdio_dest(&cinfo, stdout);
    cinfo.image_width = (JDIMENSION)to_int(argv[1]);
    cinfo.image_height = (JDIMENSION)to_int(argv[2]);
    cinfo.input_components = to_int(argv[3]);
    cinfo.in_color_space = cinfo.input_components == 1   ? JCS_GRAYSCALE
                           : cinfo.input_components == 3 ? JCS_RGB
                                                         : JCS_CMYK;
    jpeg_set_defaults(&cinfo);
    jpeg_set_quality(&cinfo, 88, TRUE);
    set_options(&cinfo, argc, argv);
    if (sscanf(argv[4], "%dx%d", &cinfo.comp_info[0].h_samp_factor,
               &cinfo.comp_info[0].v_samp_factor) != 2)
        return 2;
    size_t row_len = (size_t)cinfo.image_width * (size_t)cinfo.input_components;
    JSAMPROW row = malloc(row_len);
    if (!row)
        return 1;
    jpeg_start_compress(&cinfo, TRUE);
    while (cinfo.next_scanline < cinfo.image_height) {
        if (fread(row, 1, row_len, stdin) != row_len)
            return 1;
        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    free(row);
    return 0;
}
