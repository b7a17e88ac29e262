// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Writes a file from its fields; fst_file_parse.cc takes one apart.

#include "tests/corruption/fst_file_fields.h"

#include <algorithm>
#include <utility>

#include "compat/compression.h"
#include "table/fst/format.h"
#include "table/key_trie/format.h"
#include "util/packed_array.h"
#include "util/trie_coding.h"

namespace memkv {

namespace {

// An array that is said to have more numbers is written without any bits, as
// one of equal numbers.
constexpr uint64_t kMostNumbers = 1 << 16;
// Lengths that depend on each other settle sooner.
constexpr int kMostRounds = 8;

std::string ShowNumber(uint64_t number) { return std::to_string(number); }

}  // namespace

const char* NameOf(FilePartKind kind) {
  switch (kind) {
    case FilePartKind::kValueBlock:
      return "value block";
    case FilePartKind::kSegment:
      return "segment";
    case FilePartKind::kFilter:
      return "filter";
    case FilePartKind::kTokens:
      return "tokens";
    case FilePartKind::kIndex:
      return "index";
    case FilePartKind::kRangeDeletions:
      return "range deletions";
    case FilePartKind::kPoison:
      return "poison";
    case FilePartKind::kStubIndex:
      return "stub index";
    case FilePartKind::kProperties:
      return "properties";
    case FilePartKind::kMetaindex:
      return "metaindex";
    case FilePartKind::kFooter:
      return "footer";
  }
  return "?";
}

namespace {

// Writes the fields of one part, with the edits that are of it.
class PartWriter {
 public:
  PartWriter(const FilePart& part, size_t number,
             const std::vector<FileEdit>& edits, bool agree)
      : part_(part), agree_(agree) {
    for (const FileEdit& edit : edits) {
      if (edit.part == number && edit.field != FileField::kNone) {
        edits_.push_back(&edit);
      }
    }
  }

  // context->positions are set; last_numbers: of each field.
  std::string Run(PartInWriting* context, std::vector<uint64_t>* last_numbers) {
    context->positions.assign(part_.fields.size() + 1, 0);
    std::string out;
    for (int round = 0; round < kMostRounds; ++round) {
      last_numbers->assign(part_.fields.size(), 0);
      out.clear();
      std::vector<uint64_t> positions;
      for (size_t i = 0; i < part_.fields.size(); ++i) {
        positions.push_back(out.size());
        Append(i, *context, &out, &(*last_numbers)[i]);
      }
      positions.push_back(out.size());
      const bool settled = positions == context->positions;
      context->positions = std::move(positions);
      if (settled) break;
    }
    return out;
  }

 private:
  uint64_t NumberOf(size_t i, const PartInWriting& context) const {
    const FileField& field = part_.fields[i];
    uint64_t number = field.number;
    if (field.computed && (agree_ || !field.agrees)) {
      number = field.computed(context, 0);
    }
    for (const FileEdit* edit : edits_) {
      if (edit->field == i && edit->kind == FileEdit::Kind::kNumber) {
        number = edit->number;
      }
    }
    return number;
  }

  void Append(size_t i, const PartInWriting& context, std::string* out,
              uint64_t* last_number) const {
    const FileField& field = part_.fields[i];
    switch (field.kind) {
      case FileField::Kind::kFixed:
        PutFixed(out, NumberOf(i, context), field.size);
        break;
      case FileField::Kind::kVarint:
        AppendVarint(i, NumberOf(i, context), out);
        break;
      case FileField::Kind::kBytes:
        AppendBytes(i, out);
        break;
      case FileField::Kind::kArray:
      case FileField::Kind::kBits:
        AppendNumbers(i, context, out, last_number);
        break;
    }
  }

  void AppendVarint(size_t i, uint64_t number, std::string* out) const {
    std::string bytes;
    PutVarint64(&bytes, number);
    for (const FileEdit* edit : edits_) {
      if (edit->field == i && edit->kind == FileEdit::Kind::kLongVarint) {
        while (bytes.size() < edit->number) {
          bytes.back() = static_cast<char>(bytes.back() | 0x80);
          bytes.push_back('\0');
        }
      }
    }
    *out += bytes;
  }

  void AppendBytes(size_t i, std::string* out) const {
    const FileField& field = part_.fields[i];
    std::string bytes = field.bytes;
    if (field.padded_to != 0) {
      bytes.assign(
          field.padded_to - std::min<size_t>(field.padded_to, out->size()),
          '\0');
    }
    for (const FileEdit* edit : edits_) {
      if (edit->field != i) continue;
      const auto at = static_cast<size_t>(edit->at);
      switch (edit->kind) {
        case FileEdit::Kind::kFlip:
          if (at < bytes.size()) {
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << edit->number % 8));
          }
          break;
        case FileEdit::Kind::kCut:
          bytes.resize(std::min(at, bytes.size()));
          break;
        case FileEdit::Kind::kInsert:
          bytes.insert(std::min(at, bytes.size()), edit->bytes);
          break;
        case FileEdit::Kind::kFill:
          std::fill(bytes.begin(), bytes.end(),
                    static_cast<char>(edit->number));
          break;
        default:
          break;
      }
    }
    *out += bytes;
  }

  void AppendNumbers(size_t i, const PartInWriting& context, std::string* out,
                     uint64_t* last_number) const {
    const FileField& field = part_.fields[i];
    std::vector<uint64_t> numbers = field.numbers;
    if (field.computed && (agree_ || !field.agrees)) {
      for (size_t k = 0; k < numbers.size(); ++k) {
        numbers[k] = field.computed(context, k);
      }
    }
    uint64_t n = numbers.size();
    if (agree_ && field.counted_by != FileField::kNone) {
      const uint64_t count = NumberOf(field.counted_by, context);
      if (count != part_.fields[field.counted_by].number) {
        n = count + field.counted_more;
        numbers.resize(std::min(n, kMostNumbers),
                       numbers.empty() ? 0 : numbers.back());
      }
    }
    for (const FileEdit* edit : edits_) {
      if (edit->field == i) Edit(*edit, &numbers);
    }
    *last_number = numbers.empty() ? 0 : numbers.back();
    if (field.kind == FileField::Kind::kBits) {
      key_trie::BitsWriter bits(out);
      for (const uint64_t number : numbers) {
        bits.Put(
            static_cast<uint32_t>(number & ((uint64_t{1} << field.size) - 1)),
            static_cast<unsigned>(field.size));
      }
      bits.Finish();
      return;
    }
    std::string bytes;
    if (n > numbers.size() && n > kMostNumbers) {
      numbers.assign(1, *last_number);
    }
    PackedArrayBuilder::Encode(numbers.data(), numbers.size(), &bytes);
    for (const FileEdit* edit : edits_) {
      if (edit->field != i) continue;
      if (edit->kind == FileEdit::Kind::kWidth) {
        bytes[0] = static_cast<char>(edit->number);
      } else if (edit->kind == FileEdit::Kind::kBase) {
        size_t end = 1;
        while ((bytes[end] & 0x80) != 0) ++end;
        std::string base;
        PutVarint64(&base, edit->number);
        bytes.replace(1, end, base);
      }
    }
    *out += bytes;
  }

  static void Edit(const FileEdit& edit, std::vector<uint64_t>* numbers) {
    if (numbers->empty()) return;
    const size_t at = edit.at % numbers->size();
    switch (edit.kind) {
      case FileEdit::Kind::kElement:
        (*numbers)[at] = edit.number;
        break;
      case FileEdit::Kind::kExchange:
        std::swap((*numbers)[at], (*numbers)[edit.number % numbers->size()]);
        break;
      case FileEdit::Kind::kEqual:
        std::fill(numbers->begin(), numbers->end(), edit.number);
        break;
      case FileEdit::Kind::kDropNumber:
        numbers->erase(numbers->begin() + static_cast<ptrdiff_t>(at));
        break;
      default:
        break;
    }
  }

  const FilePart& part_;
  const bool agree_;
  std::vector<const FileEdit*> edits_;
};

// Changes of a block as it is stored.
void EditStored(const std::vector<FileEdit>& edits, size_t part,
                std::string* stored, uint8_t* compression) {
  for (const FileEdit& edit : edits) {
    if (edit.part != part) continue;
    const auto at = static_cast<size_t>(edit.at);
    switch (edit.kind) {
      case FileEdit::Kind::kCutStored:
        stored->resize(std::min(at, stored->size()));
        break;
      case FileEdit::Kind::kGrowStored:
        *stored += edit.bytes;
        break;
      case FileEdit::Kind::kFlipStored:
        if (at < stored->size()) {
          (*stored)[at] =
              static_cast<char>((*stored)[at] ^ (1 << edit.number % 8));
        }
        break;
      case FileEdit::Kind::kCompression:
        *compression = static_cast<uint8_t>(edit.number);
        break;
      case FileEdit::Kind::kClaim: {
        if (*compression == rocksdb::kNoCompression) break;
        size_t end = 0;
        while (end < stored->size() && ((*stored)[end] & 0x80) != 0) ++end;
        std::string claim;
        PutVarint64(&claim, edit.number);
        stored->replace(0, end + 1, claim);
        break;
      }
      default:
        break;
    }
  }
}

bool IsOfContents(const FileEdit& edit) {
  return edit.kind != FileEdit::Kind::kElsewhere;
}

}  // namespace

std::string FileFields::Write(const std::vector<FileEdit>& edits,
                              const FileWriteOptions& options) const {
  PartInWriting context;
  context.file = this;
  context.offsets.assign(parts_.size(), 0);
  context.sizes.assign(parts_.size(), 0);
  // Where a part lies, for those that are asked for before they are written.
  std::vector<size_t> leads_to(parts_.size());
  uint64_t offset = 0;
  for (size_t p = 0; p < parts_.size(); ++p) {
    leads_to[p] = p;
    context.offsets[p] = offset;
    context.sizes[p] = parts_[p].stored.size();
    offset += context.sizes[p] + kTrailerSize;
  }
  for (const FileEdit& edit : edits) {
    if (edit.kind == FileEdit::Kind::kElsewhere) {
      leads_to[edit.part] = static_cast<size_t>(edit.number);
    }
  }
  std::vector<std::vector<uint64_t>> last_numbers(parts_.size());
  context.last_number = [&last_numbers](size_t part, size_t field) {
    // Of a part that is not written yet, 0.
    const std::vector<uint64_t>& of_part = last_numbers[part];
    return field < of_part.size() ? of_part[field] : 0;
  };

  std::string out;
  for (size_t p = 0; p < parts_.size(); ++p) {
    size_t contents = p;
    bool edited = false;
    for (const FileEdit& edit : edits) {
      if (edit.part != p) continue;
      edited |= IsOfContents(edit);
      if (edit.kind == FileEdit::Kind::kContents) {
        contents = static_cast<size_t>(edit.number);
      }
    }
    const FilePart& part = parts_[contents];
    PartInWriting seen = context;
    for (size_t i = 0; i < parts_.size(); ++i) {
      seen.offsets[i] = context.offsets[leads_to[i]];
      seen.sizes[i] = context.sizes[leads_to[i]];
    }
    const std::string raw =
        PartWriter(part, p, edits, options.agree).Run(&seen, &last_numbers[p]);
    rocksdb::CompressionType type = part.compression;
    std::string buffer;
    std::string stored = raw;
    if (type != rocksdb::kNoCompression) {
      compat::BlockCompressor compressor(type, rocksdb::CompressionOptions());
      stored = compressor.Compress(raw, kFooterFormatVersion, &buffer, &type)
                   .ToString();
    }
    auto type_byte = static_cast<uint8_t>(type);
    EditStored(edits, p, &stored, &type_byte);
    if (parts_[p].kind == FilePartKind::kMetaindex && options.file_size != 0) {
      const size_t end =
          out.size() + stored.size() + kTrailerSize + kFooterSize;
      if (end > options.file_size) return "";
      out.append(options.file_size - end, '\0');
    }
    context.offsets[p] = out.size();
    context.sizes[p] = stored.size();
    out += stored;
    if (parts_[p].kind == FilePartKind::kFooter) continue;
    out.push_back(static_cast<char>(type_byte));
    // Without repair, what was changed has the checksum of what it was.
    const bool before = edited && !options.repair;
    const std::string& summed = before ? parts_[p].stored : stored;
    const auto last = static_cast<char>(
        before ? static_cast<uint8_t>(parts_[p].compression) : type_byte);
    PutFixed(&out,
             rocksdb::ComputeBuiltinChecksumWithLastByte(
                 checksum_, summed.data(), summed.size(), last),
             4);
  }
  if (options.file_size != 0 && out.size() != options.file_size) return "";
  return out;
}

std::string FileFields::Describe(const FileEdit& edit) const {
  const FilePart& part = parts_[edit.part];
  std::string text = NameOf(part.kind);
  text += " (part " + ShowNumber(edit.part) + ")";
  if (edit.field != FileField::kNone) {
    text += ", field " + ShowNumber(edit.field) + " \"" +
            part.fields[edit.field].name + "\"";
  }
  const std::string at = ShowNumber(edit.at);
  const std::string number = ShowNumber(edit.number);
  switch (edit.kind) {
    case FileEdit::Kind::kNumber:
      return text + ": is " + number;
    case FileEdit::Kind::kLongVarint:
      return text + ": in " + number + " bytes";
    case FileEdit::Kind::kElement:
      return text + ": number " + at + " is " + number;
    case FileEdit::Kind::kExchange:
      return text + ": numbers " + at + " and " + number + " exchanged";
    case FileEdit::Kind::kEqual:
      return text + ": all numbers are " + number;
    case FileEdit::Kind::kDropNumber:
      return text + ": without number " + at;
    case FileEdit::Kind::kWidth:
      return text + ": of width " + number;
    case FileEdit::Kind::kBase:
      return text + ": of base " + number;
    case FileEdit::Kind::kFlip:
      return text + ": bit " + number + " of byte " + at + " flipped";
    case FileEdit::Kind::kCut:
      return text + ": cut at byte " + at;
    case FileEdit::Kind::kInsert:
      return text + ": " + ShowNumber(edit.bytes.size()) +
             " bytes inserted at byte " + at;
    case FileEdit::Kind::kFill:
      return text + ": filled with " + number;
    case FileEdit::Kind::kContents:
      return text + ": contents of part " + number;
    case FileEdit::Kind::kElsewhere:
      return text + ": found at part " + number;
    case FileEdit::Kind::kCutStored:
      return text + ": stored bytes cut at " + at;
    case FileEdit::Kind::kGrowStored:
      return text + ": " + ShowNumber(edit.bytes.size()) +
             " bytes behind the stored ones";
    case FileEdit::Kind::kFlipStored:
      return text + ": bit " + number + " of stored byte " + at + " flipped";
    case FileEdit::Kind::kCompression:
      return text + ": compression type " + number;
    case FileEdit::Kind::kClaim:
      return text + ": said to be " + number + " bytes uncompressed";
  }
  return text;
}

}  // namespace memkv
