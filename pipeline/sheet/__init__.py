"""The HTML contact sheet: rows in, one page out.

`page_data(SheetData)` (model.py) is the page's data, `render(page)` (render.py) the file, `make_thumbs` (thumbs.py) its
thumbnails, `write_index` (index.py) the same facts for programs. The caller gathers rows and says where pictures lie.
"""
