"""A GGUF's weights as float32, everything else as it is: for comparing forms that floats may be rounded to.

    python tools/reference/gguf_floats.py MODEL.gguf FLOATS.gguf
"""

import sys

import gguf

source, target = sys.argv[1:]
reader = gguf.GGUFReader(source)
writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents(), use_temp_file=False)
for field in reader.fields.values():
    # The writer gives these itself.
    if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
        continue
    of = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=of)
for tensor in reader.tensors:
    writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype("float32"))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
