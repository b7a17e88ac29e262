// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

// Takes a file apart, from table/FORMAT.md.  The readers only tell where blocks
// are.

#include <map>
#include <memory>
#include <utility>

#include "rocksdb/options.h"
#include "table/block_based/block.h"
#include "table/fst/format.h"
#include "table/key_trie/format.h"
#include "table/key_trie/tokens.h"
#include "table/meta_blocks.h"
#include "table/segment/file_index.h"
#include "table/segment/segment.h"
#include "tests/corruption/fst_fields_reader.h"
#include "tests/corruption/fst_file_fields.h"
#include "tests/util/fst_memory_table.h"
#include "util/packed_array.h"
#include "util/trie_coding.h"

namespace memkv {
namespace {

using rocksdb::BlockHandle;

}  // namespace

class FileFieldsParser {
 public:
  FileFieldsParser(const std::string& bytes, FileFields* out)
      : bytes_(bytes), out_(out) {}

  void Run() {
    FindBlocks();
    for (auto& [offset, block] : blocks_) {
      block.part = out_->parts_.size();
      FilePart part;
      part.kind = block.kind;
      part.stored = bytes_.substr(offset, block.size);
      part.compression =
          static_cast<rocksdb::CompressionType>(bytes_.at(offset + block.size));
      part.raw = Contents(BlockHandle(offset, block.size));
      out_->parts_.push_back(std::move(part));
    }
    FilePart footer;
    footer.kind = FilePartKind::kFooter;
    footer.stored = bytes_.substr(bytes_.size() - kFooterSize);
    footer.raw = footer.stored;
    out_->parts_.push_back(std::move(footer));
    for (size_t p = 0; p < out_->parts_.size(); ++p) ParsePart(p);
    out_->file_size_ = bytes_.size();
  }

 private:
  struct Block {
    FilePartKind kind = FilePartKind::kValueBlock;
    uint64_t size = 0;
    uint64_t entries = 0;  // of a value block
    size_t part = 0;
  };

  // ---- Where blocks are -----------------------------------------------------

  void Found(FilePartKind kind, const BlockHandle& at, uint64_t entries = 0) {
    Expect(at.offset() + at.size() + kTrailerSize <= bytes_.size(),
           "a block beyond the file");
    Block& block = blocks_[at.offset()];
    Expect(block.size == 0, "two blocks in one place");
    block.kind = kind;
    block.size = at.size();
    block.entries = entries;
  }

  std::string Contents(const BlockHandle& at) const {
    std::string raw;
    const rocksdb::Status s = ReadBlock(bytes_, at, &raw);
    Expect(s.ok(), s.ToString());
    return raw;
  }

  // Keys and values of a block of RocksDB's.
  static std::map<std::string, std::string> Entries(const std::string& block) {
    std::map<std::string, std::string> entries;
    rocksdb::Block parsed{rocksdb::BlockContents(block)};
    const std::unique_ptr<rocksdb::InternalIterator> iter(
        parsed.NewMetaIterator());
    for (iter->SeekToFirst(); iter->Valid(); iter->Next()) {
      entries[iter->key().ToString()] = iter->value().ToString();
    }
    Expect(iter->status().ok(), "a block of RocksDB's is damaged");
    return entries;
  }

  static BlockHandle HandleIn(const std::string& bytes) {
    BlockHandle handle;
    rocksdb::Slice in(bytes);
    Expect(handle.DecodeFrom(&in).ok() && in.empty(), "no handle");
    return handle;
  }

  void FindBlocks() {
    rocksdb::Footer footer;
    Expect(bytes_.size() > kFooterSize &&
               footer
                   .DecodeFrom(bytes_.substr(bytes_.size() - kFooterSize),
                               bytes_.size() - kFooterSize)
                   .ok(),
           "no footer");
    out_->checksum_ = footer.checksum_type();
    Found(FilePartKind::kMetaindex, footer.metaindex_handle());
    Found(FilePartKind::kStubIndex, footer.index_handle());
    for (const auto& [key, value] : Entries(Contents(footer.index_handle()))) {
      Found(FilePartKind::kPoison, HandleIn(value));
    }
    const auto metaindex = Entries(Contents(footer.metaindex_handle()));
    if (metaindex.count(rocksdb::kRangeDelBlockName) != 0) {
      Found(FilePartKind::kRangeDeletions,
            HandleIn(metaindex.at(rocksdb::kRangeDelBlockName)));
    }
    const BlockHandle properties =
        HandleIn(metaindex.at(rocksdb::kPropertiesBlockName));
    Found(FilePartKind::kProperties, properties);
    FileDirectory directory;
    Expect(directory
               .DecodeFrom(Entries(Contents(properties)).at(kDirectoryProperty))
               .ok(),
           "no directory");
    Found(FilePartKind::kIndex, directory.index);
    if (directory.filter.size() != 0) {
      Found(FilePartKind::kFilter, directory.filter);
    }
    std::string reason;
    key_trie::Tokens tokens;
    if (directory.tokens.size() != 0) {
      Found(FilePartKind::kTokens, directory.tokens);
      Expect(tokens.Open(Contents(directory.tokens), &reason), reason);
    }
    FileIndex index;
    const std::string index_bytes = Contents(directory.index);
    Expect(FileIndex::Open(index_bytes, &index, &reason), reason);
    for (uint32_t i = 0; i < index.num_segments(); ++i) {
      const BlockHandle at(index.Location(i).offset, index.Location(i).size);
      Found(FilePartKind::kSegment, at);
      Segment segment;
      const std::string segment_bytes = Contents(at);
      Expect(Segment::Open(segment_bytes, index.mirrored(), &tokens, &segment,
                           &reason),
             reason);
      for (uint32_t b = 0; b < segment.num_value_blocks(); ++b) {
        const BlockLocation values = segment.ValueBlockLocation(b);
        Found(FilePartKind::kValueBlock,
              BlockHandle(values.offset, values.size),
              segment.ValueBlockFirstEntry(b + 1) -
                  segment.ValueBlockFirstEntry(b));
      }
    }
  }

  size_t PartAt(uint64_t offset) const {
    const auto at = blocks_.find(offset);
    Expect(at != blocks_.end(), "no block at " + std::to_string(offset));
    return at->second.part;
  }
  size_t PartOf(FilePartKind kind) const {
    for (size_t p = 0; p < out_->parts_.size(); ++p) {
      if (out_->parts_[p].kind == kind) return p;
    }
    return FileField::kNone;
  }

  static Computed OffsetOf(size_t part) {
    return [part](const PartInWriting& in, size_t) { return in.offsets[part]; };
  }
  static Computed SizeOf(size_t part) {
    return [part](const PartInWriting& in, size_t) { return in.sizes[part]; };
  }

  // ---- Parts ----------------------------------------------------------------

  void ParsePart(size_t p) {
    FilePart& part = out_->parts_[p];
    FieldsReader in(part.raw, &part.fields);
    switch (part.kind) {
      case FilePartKind::kValueBlock: {
        uint64_t entries = 0;
        for (const auto& [offset, block] : blocks_) {
          if (block.part == p) entries = block.entries;
        }
        ParseValueRun(&in, entries, FileField::kNone);
        break;
      }
      case FilePartKind::kSegment:
        ParseSegment(&in);
        break;
      case FilePartKind::kFilter:
        in.Bytes("filter", part.raw.size() - 5);
        for (const char* what : {"first", "second", "third"}) {
          in.Fixed(std::string("filter: metadata, ") + what, 1);
        }
        in.Fixed("filter: metadata, rest", 2);
        break;
      case FilePartKind::kTokens:
        ParseTokens(&in);
        break;
      case FilePartKind::kIndex:
        ParseIndex(&in);
        break;
      case FilePartKind::kPoison:
        in.Bytes("poison", part.raw.size());
        break;
      case FilePartKind::kRangeDeletions:
      case FilePartKind::kStubIndex:
      case FilePartKind::kProperties:
      case FilePartKind::kMetaindex:
        ParseRocksDbBlock(&in, part.kind, part.raw);
        break;
      case FilePartKind::kFooter:
        ParseFooter(&in);
        break;
    }
    Expect(in.left() == 0, std::string(NameOf(part.kind)) + ": " +
                               std::to_string(in.left()) + " bytes are left");
  }

  void ParseValueRun(FieldsReader* in, uint64_t n, size_t count) {
    const auto array = [&](const char* name) {
      return count == FileField::kNone ? in->ArrayOf(name, n)
                                       : in->Array(name, count);
    };
    uint64_t kind = in->number(in->Fixed("value run: kind", 1));
    if (kind == 3) {
      in->Fixed("value run: size and order of numbers", 1);
      array("value run: numbers");
      return;
    }
    size_t distinct = FileField::kNone;
    if (kind == 2) {
      distinct = in->Varint("value run: number of distinct values");
      array("value run: indexes of values");
      n = in->number(distinct);
      kind = in->number(in->Fixed("value run: kind of distinct values", 1));
    }
    uint64_t size = 0;
    if (kind == 0) {
      size = n * in->number(in->Varint("value run: size of a value"));
    } else {
      const size_t ends = distinct != FileField::kNone
                              ? in->Array("value run: ends of values", distinct)
                              : array("value run: ends of values");
      const auto& numbers = in->field(ends).numbers;
      size = numbers.empty() ? 0 : numbers.back();
    }
    in->Bytes("value run: values", size);
  }

  void ParseSeparators(FieldsReader* in, uint64_t size) {
    if (size == 0) return;
    const size_t end = in->at() + static_cast<size_t>(size);
    const uint64_t widths =
        in->number(in->Fixed("separators: widths of ordinals and offsets", 1));
    const size_t ordinal = widths & 15;
    const size_t offset = widths >> 4;
    while (in->at() < end) {
      const uint64_t head =
          in->number(in->Fixed("separators: label length and groups", 4));
      uint64_t label = head & 255;
      if (label == 255) {
        label = in->number(in->Fixed("separators: long label length", 4));
      }
      const uint64_t groups = head >> 8 & 0x7fffff;
      in->Bytes("separators: label", label);
      for (uint64_t g = 0; g < groups; ++g) in->Fixed("separators: slice", 8);
      for (uint64_t g = 0; g < groups; ++g) {
        in->Fixed("separators: ordinal", ordinal);
      }
      for (uint64_t g = 0; g < groups && head >> 31 != 0; ++g) {
        in->Fixed("separators: offset", offset);
      }
    }
    Expect(in->at() == end, "separators end elsewhere");
  }

  void ParseTrie(FieldsReader* in, bool padded) {
    in->Fixed("trie: encoding", 1);
    const uint64_t coding = in->number(in->Fixed("trie: coding", 1));
    const bool symbols = coding != key_trie::kTokenCodes;
    const uint64_t width = in->number(in->Fixed("trie: width of a code", 1));
    in->Fixed("trie: reserved", 1);
    const size_t num_symbols = in->Fixed("trie: number of symbols", 2);
    in->Fixed("trie: reserved", 2);
    const size_t keys = in->Fixed("trie: number of keys", 4);
    const size_t buckets = in->Fixed("trie: number of buckets", 4);
    const size_t separators_size = in->Fixed("trie: size of separators", 4);
    const size_t directory_size = in->Fixed("trie: size of directory", 4);
    const size_t buckets_size = in->Fixed("trie: size of buckets", 4);
    in->Bytes("trie: symbols", in->number(num_symbols));
    if (coding == key_trie::kFixedSymbols) {
      in->Fixed("trie: first fixed position", 4);
      const uint64_t mask = in->number(in->Fixed("trie: fixed positions", 8));
      in->Bytes("trie: fixed bytes",
                static_cast<uint64_t>(__builtin_popcountll(mask)));
    }
    size_t begin = in->next();
    ParseSeparators(in, in->number(separators_size));
    in->field(separators_size).computed = LengthOf(begin, in->next());

    const size_t directory = in->Array("trie: directory", buckets, 1);
    in->field(directory_size).computed = LengthOf(directory, directory + 1);
    const unsigned shift = BitWidth(in->number(keys));
    const std::vector<uint64_t> places = in->field(directory).numbers;
    begin = in->next();
    std::vector<size_t> first_fields;
    for (uint64_t b = 0; b + 1 < places.size(); ++b) {
      first_fields.push_back(in->next());
      const uint64_t mask = (uint64_t{1} << shift) - 1;
      ParseBucket(in, (places[b + 1] & mask) - (places[b] & mask),
                  (places[b + 1] >> shift) - (places[b] >> shift), symbols,
                  width);
    }
    first_fields.push_back(in->next());
    in->field(buckets_size).computed = LengthOf(begin, in->next());
    in->field(directory).computed = [begin, shift, places, first_fields](
                                        const PartInWriting& part, size_t i) {
      return part.Length(begin, first_fields[i]) << shift |
             (places[i] & ((uint64_t{1} << shift) - 1));
    };
    if (padded) in->Bytes("trie: padding", key_trie::kPadding);
  }

  void ParseBucket(FieldsReader* in, uint64_t keys, uint64_t size, bool symbols,
                   uint64_t width) {
    const size_t end = in->at() + static_cast<size_t>(size);
    const uint64_t lcp_width =
        in->number(in->Fixed("bucket: width of LCPs", 1));
    in->Varint("bucket: LCP of the head");
    in->Varint("bucket: smallest LCP");
    uint64_t length_width = 0;
    if (symbols) {
      length_width = in->number(in->Fixed("bucket: width of lengths", 1));
      in->Varint("bucket: smallest length");
    }
    in->Bits("bucket: LCPs", lcp_width, keys - 1);
    if (symbols) in->Bits("bucket: lengths", length_width, keys);
    in->Bits("bucket: first codes", width, keys);
    in->Bits("bucket: other codes", width, (end - in->at()) * 8 / width);
    Expect(in->at() == end, "a bucket ends elsewhere");
  }

  void ParseSegment(FieldsReader* in) {
    const uint64_t flags = in->number(in->Fixed("segment: flags", 1));
    in->Fixed("segment: zero", 3);
    const size_t keys = in->Fixed("segment: number of keys", 4);
    const size_t entries = in->Fixed("segment: number of entries", 4);
    const size_t trie_size = in->Fixed("segment: size of the trie", 4);
    const size_t trie = in->next();
    ParseTrie(in, (flags & 4) == 0);
    in->field(trie_size).computed = LengthOf(trie, in->next());
    if ((flags & 1) != 0) in->Array("segment: first entries", keys);
    in->Array("segment: sequence numbers", entries);
    in->Array("segment: value types", entries);
    if ((flags & 2) != 0) {
      ParseValueRun(in, in->number(entries), entries);
      return;
    }
    const size_t blocks = in->Varint("segment: number of value blocks");
    in->Array("segment: first entries of value blocks", blocks);
    const size_t offsets =
        in->Array("segment: offsets of value blocks", blocks);
    std::vector<size_t> parts;
    for (const uint64_t offset : in->field(offsets).numbers) {
      parts.push_back(PartAt(offset));
    }
    in->field(offsets).computed = [parts](const PartInWriting& part, size_t i) {
      return part.offsets[parts[i]];
    };
    in->Array("segment: sizes of value blocks", blocks, 0,
              [parts](const PartInWriting& part, size_t i) {
                return part.sizes[parts[i]];
              });
  }

  void ParseTokens(FieldsReader* in) {
    in->Fixed("tokens: version", 1);
    in->Fixed("tokens: width", 1);
    in->Fixed("tokens: reserved", 2);
    const size_t n = in->Fixed("tokens: number", 4);
    in->Fixed("tokens: first that ends", 4);
    const size_t size = in->Fixed("tokens: size", 4);
    in->Bytes("tokens: LCPs and sizes", in->number(n));
    in->Bytes("tokens: long numbers", in->left() - in->number(size));
    in->Bytes("tokens: suffixes", in->number(size));
  }

  void ParseIndex(FieldsReader* in) {
    const uint64_t flags = in->number(in->Fixed("index: flags", 1));
    in->Fixed("index: zero", 3);
    const size_t segments = in->Fixed("index: number of segments", 4);
    const size_t separators_size = in->Fixed("index: size of separators", 4);
    const size_t begin = in->next();
    ParseSeparators(in, in->number(separators_size));
    in->field(separators_size).computed = LengthOf(begin, in->next());
    in->Bytes("index: zeros", key_trie::kPadding);
    const size_t offsets = in->Array("index: offsets", segments);
    std::vector<size_t> parts;
    for (const uint64_t offset : in->field(offsets).numbers) {
      parts.push_back(PartAt(offset));
    }
    in->field(offsets).computed = [parts](const PartInWriting& part, size_t i) {
      return part.offsets[parts[i]];
    };
    in->Array("index: sizes", segments, 0,
              [parts](const PartInWriting& part, size_t i) {
                return part.sizes[parts[i]];
              });
    index_keys_ = in->Array("index: keys", segments);
    index_entries_ = in->Array("index: entries", segments);
    in->Array("index: bytes", segments);
    if ((flags & 4) != 0) {
      const size_t n = in->Varint("index: number of continuations");
      in->Array("index: continuations", n);
      in->Array("index: tags of continuations", n);
    }
  }

  void ParseHandle(FieldsReader* in, const std::string& name) {
    const size_t offset = in->Varint(name + ", offset");
    const size_t size = in->Varint(name + ", size");
    // Nothing is at 0 of size 0.
    if (in->number(offset) == 0 && in->number(size) == 0) return;
    const size_t part = PartAt(in->number(offset));
    in->field(offset).computed = OffsetOf(part);
    in->field(size).computed = SizeOf(part);
  }

  void ParseDirectory(FieldsReader* in) {
    in->Fixed("directory: version", 4);
    in->Fixed("directory: features", 4);
    ParseHandle(in, "directory: index");
    ParseHandle(in, "directory: tokens");
    ParseHandle(in, "directory: filter");
    const size_t size = in->Varint("directory: size of the policy's name");
    const size_t name = in->Bytes("directory: policy's name", in->number(size));
    in->field(size).computed = LengthOf(name, name + 1);
    const size_t keys = in->Varint("directory: number of keys");
    const size_t index = PartOf(FilePartKind::kIndex);
    const size_t keys_there = index_keys_;
    in->field(keys).agrees = true;
    in->field(keys).computed = [index, keys_there](const PartInWriting& part,
                                                   size_t) {
      return part.last_number(index, keys_there);
    };
  }

  void ParseValue(FieldsReader* in, FilePartKind kind, const std::string& key,
                  size_t size) {
    const std::string name = std::string(NameOf(kind)) + ": ";
    if (kind == FilePartKind::kMetaindex) {
      ParseHandle(in, name + "handle of " + key);
    } else if (kind == FilePartKind::kStubIndex) {
      ParseHandle(in, name + "handle of the poison");
    } else if (key == kDirectoryProperty) {
      ParseDirectory(in);
    } else if (key == "rocksdb.num.entries") {
      const size_t entries = in->Varint(name + "value of " + key);
      const size_t index = PartOf(FilePartKind::kIndex);
      const size_t entries_there = index_entries_;
      const uint64_t more =
          in->number(entries) -
          LastOf(out_->parts_[index].fields[entries_there].numbers);
      in->field(entries).agrees = true;
      in->field(entries).computed = [index, entries_there, more](
                                        const PartInWriting& part, size_t) {
        return part.last_number(index, entries_there) + more;
      };
    } else if (key == "rocksdb.external_sst_file.version") {
      in->Fixed(name + "value of " + key, 4);
    } else if (key == "rocksdb.external_sst_file.global_seqno") {
      in->Fixed(name + "value of " + key, 8);
    } else if (key == "rocksdb.num.range-deletions" ||
               key == "rocksdb.deleted.keys" || key == "rocksdb.raw.key.size" ||
               key == "rocksdb.raw.value.size" ||
               key == "rocksdb.tail.start.offset") {
      in->Varint(name + "value of " + key);
    } else {
      const bool ours = kind == FilePartKind::kProperties;
      in->Bytes(name + (ours ? "value of " + key : "value"), size);
    }
  }

  static uint64_t LastOf(const std::vector<uint64_t>& numbers) {
    return numbers.empty() ? 0 : numbers.back();
  }

  void ParseRocksDbBlock(FieldsReader* in, FilePartKind kind,
                         const std::string& raw) {
    const std::string name = std::string(NameOf(kind)) + ": ";
    const auto* const p = reinterpret_cast<const uint8_t*>(raw.data());
    const uint32_t num_restarts = LoadFixed32(p + raw.size() - 4);
    const size_t entries_end = raw.size() - 4 - size_t{4} * num_restarts;
    std::map<uint64_t, size_t> field_at;
    std::string key;
    while (in->at() < entries_end) {
      field_at[in->at()] = in->next();
      const size_t shared = in->Varint(name + "shared bytes of a key");
      const size_t unshared = in->Varint(name + "other bytes of a key");
      const size_t size = in->Varint(name + "size of a value");
      key.resize(in->number(shared));
      const size_t bytes = in->Bytes(name + "key", in->number(unshared));
      key += in->field(bytes).bytes;
      in->field(unshared).computed = LengthOf(bytes, bytes + 1);
      const size_t value = in->next();
      ParseValue(in, kind, key, in->number(size));
      in->field(size).computed = LengthOf(value, in->next());
    }
    for (uint32_t i = 0; i < num_restarts; ++i) {
      const size_t restart = in->Fixed(name + "restart", 4);
      const auto at = field_at.find(in->number(restart));
      if (at == field_at.end()) continue;  // of an empty block
      const size_t first = at->second;
      in->field(restart).computed = [first](const PartInWriting& part, size_t) {
        return part.positions[first];
      };
    }
    in->Fixed(name + "number of restarts", 4);
  }

  void ParseFooter(FieldsReader* in) {
    in->Fixed("footer: checksum type", 1);
    ParseHandle(in, "footer: metaindex");
    ParseHandle(in, "footer: stub index");
    const size_t padding =
        in->Bytes("footer: padding", kFooterMarkerOffset - in->at());
    in->field(padding).padded_to = kFooterMarkerOffset;
    in->Bytes("footer: marker", kFooterMarkerSize);
    in->Fixed("footer: format version", 4);
    in->Fixed("footer: magic number", 8);
  }

  const std::string& bytes_;
  FileFields* const out_;
  std::map<uint64_t, Block> blocks_;  // by offset
  size_t index_keys_ = FileField::kNone;
  size_t index_entries_ = FileField::kNone;
};

bool FileFields::Parse(const std::string& bytes, FileFields* out,
                       std::string* reason) {
  *out = FileFields();
  try {
    FileFieldsParser(bytes, out).Run();
  } catch (const std::exception& e) {
    *reason = e.what();
    return false;
  }
  FileWriteOptions options;
  if (out->Write({}, options) != bytes) {
    *reason = "(F1) it is written in another way";
    return false;
  }
  return true;
}

}  // namespace memkv
