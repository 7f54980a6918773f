#include "model.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "dat.h"

namespace mtcnn {
namespace {

// Names are UTF-8 on every system. The conversions of std::filesystem::path use another character set on Windows.
std::string name_of(const std::filesystem::path& path) {
    const std::u8string name = path.u8string();
    return {name.begin(), name.end()};
}

std::filesystem::path path_of(const std::string& name) { return std::u8string(name.begin(), name.end()); }

std::vector<std::byte> read_file(const std::filesystem::path& path) {
    if (!std::filesystem::exists(path)) {
        throw FileNotFound(name_of(path) + ": expected a file, found nothing there");
    }
    if (!std::filesystem::is_regular_file(path)) {
        throw std::invalid_argument(name_of(path) + ": expected a file, found " +
                                    (std::filesystem::is_directory(path) ? "a folder" : "a special file"));
    }
    const std::uintmax_t size = std::filesystem::file_size(path);
    if (size > static_cast<std::uintmax_t>(kSizeLimit)) {
        throw std::invalid_argument(name_of(path) + ": expected a file of at most " + std::to_string(kSizeLimit) +
                                    " bytes, found " + std::to_string(size));
    }
    std::vector<std::byte> data(static_cast<std::size_t>(size));
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(size))) {
        throw std::invalid_argument(name_of(path) + ": expected " + std::to_string(size) +
                                    " readable bytes, found a read error");
    }
    return data;
}

std::string stripped(const std::string& text) {
    constexpr const char* kSpace = " \t\r\f\v";
    const std::size_t from = text.find_first_not_of(kSpace);
    return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

// Whether a relative name refers outside its folder, on any system, with slashes or backslashes. An index file may be
// untrusted.
bool leaves_folder(const std::string& file) {
    if (file.starts_with('/') || file.starts_with('\\') || (file.size() > 1 && file[1] == ':')) return true;
    for (std::size_t at = 0; at <= file.size();) {
        const std::size_t end = std::min(file.find_first_of("/\\", at), file.size());
        if (file.substr(at, end - at) == "..") return true;
        at = end + 1;
    }
    return false;
}

}  // namespace

std::vector<std::string> Network::names() const {
    std::array<int, 5> counts{};
    std::vector<std::string> result;
    result.reserve(layers.size());
    for (const Layer& layer : layers) {
        result.push_back(kKinds[layer.index()] + std::to_string(++counts[layer.index()]));
    }
    return result;
}

Model read_model(const std::string& index_path) {
    const std::filesystem::path index = path_of(index_path);
    const std::vector<std::byte> bytes = read_file(index);
    std::istringstream lines(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    std::map<std::string, std::filesystem::path> files;
    const std::array<std::string, 3> wanted = {"PNet", "RNet", "ONet"};
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        const std::string text = stripped(line);
        if (text.empty()) continue;
        const std::size_t space = text.find_first_of(" \t");
        const std::string name = text.substr(0, space);
        const bool known = std::find(wanted.begin(), wanted.end(), name) != wanted.end();
        if (!known || space == std::string::npos || files.contains(name)) {
            throw std::invalid_argument(index_path + ": line " + std::to_string(number) +
                                        ": expected NAME FILE, where NAME is PNet, RNet or ONet, each once, found \"" +
                                        text.substr(0, 80) + "\"");
        }
        const std::string file = stripped(text.substr(space));
        if (leaves_folder(file)) {
            throw std::invalid_argument(index_path + ": line " + std::to_string(number) +
                                        ": expected a FILE in the folder of this file or below it, found \"" +
                                        file.substr(0, 80) + "\"");
        }
        files[name] = index.parent_path() / path_of(file);
    }
    const auto read = [&](const std::string& name, const Requirements& requirements) {
        const auto file = files.find(name);
        if (file == files.end()) {
            throw std::invalid_argument(index_path + ": line " + std::to_string(number + 1) + ": expected a line for " +
                                        name + ", found the end of the file");
        }
        return read_network(read_file(file->second), name_of(file->second), requirements);
    };
    return {read("PNet", kPNet), read("RNet", kRNet), read("ONet", kONet)};
}

}  // namespace mtcnn
